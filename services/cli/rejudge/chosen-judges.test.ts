import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { rewardConfigOf } from '#fleet/reward-plan.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { resolveRecipe } from '#recipe/resolve-recipe.ts';
import { judgedScorers } from '#recipe/stage-scorers.ts';
import type { JudgeOptions } from '../eval/judge-options.ts';
import { chosenJudges } from './chosen-judges.ts';

const first = 'https://first.example/v1';
const other = 'https://other.example/v1';
const text = (judge: string): string => `
name: graded
model: { path: ./m }
data: { world: {} }
environment: { name: search }
judges: { main: { base_url: ${first}, model: m, ${judge} } }
scorers: { grade: { kind: grade, judge: main } }
stages:
  - name: held-out
    kind: eval
    limits: { context_tokens: 640, max_new_tokens: 96 }
    rewards: { grade: 1 }
`;

/** Who judges again: the judge's config of the reward service, and what people are told. */
function chosen(judge: string, options: JudgeOptions & { readonly set?: readonly string[] }) {
  const recipe = parseRecipe(text(judge), 'r.yaml');
  const stages = recipe.stages.flatMap((stage) =>
    stage.kind === 'eval'
      ? [{ stage, judged: judgedScorers(recipe, stage), predictions: '/run/predictions.jsonl' }]
      : [],
  );
  const paths = {
    model: '/m',
    train: '/t',
    held_out: '/h',
    ...(judge.includes('api_key_file') && { judge_keys: { main: '/recipes/key.txt' } }),
  };
  const resolved = resolveRecipe(recipe, '/recipes/r.yaml', paths);
  const found = { home: '/', runId: 'eval', directory: '/eval', resolved, stages, evalStages: 1 };
  const { notes, ...inputs } = chosenJudges(found, { set: [], ...options });
  const { judges } = rewardConfigOf(inputs.recipe, inputs.paths);
  return { notes, judge: (judges as { readonly main: Readonly<Record<string, unknown>> }).main };
}

it("a judge at another address gets neither the first one's key nor its fields", () => {
  const bound = 'api_key_env: FIRST_KEY, extra_body: { organization: ours }';
  for (const options of [{ judge: other }, { set: [`judges.main.base_url=${other}`] }]) {
    const { judge, notes } = chosen(bound, options);
    expect(judge).toMatchObject({ baseUrl: other, model: 'm' });
    expect(judge['apiKeyEnv']).toBeUndefined();
    expect(judge['extraBody']).toBeUndefined();
    expect(notes).toEqual([
      `judges.main: api_key_env and extra_body left out, which were for ${first}; give what ${other} needs with --judge-key-env NAME or --set judges.main.api_key_env=VALUE`,
    ]);
  }
  const { judge } = chosen('api_key_file: key.txt', { judge: other });
  expect(judge['apiKeyFile']).toBeUndefined();
});

it('a judge at another address gets the key that is named for it, and the same judge keeps its own', () => {
  const bound = 'api_key_env: FIRST_KEY, extra_body: { organization: ours }';
  const named = chosen(bound, { judge: other, judgeKeyEnv: 'OTHER_KEY', set: ['judges.main.extra_body={a: 1}'] });
  expect(named).toMatchObject({ judge: { baseUrl: other, apiKeyEnv: 'OTHER_KEY', extraBody: { a: 1 } }, notes: [] });
  const same = chosen(bound, { judgeModel: 'larger' });
  expect(same).toMatchObject({
    judge: { baseUrl: first, model: 'larger', apiKeyEnv: 'FIRST_KEY', extraBody: { organization: 'ours' } },
    notes: [],
  });
});

it('a key file stays where the recipe has it, whatever else of the judge is replaced', () => {
  const bound = 'api_key_file: key.txt';
  expect(chosen(bound, { judgeModel: 'larger' }).judge).toMatchObject({ apiKeyFile: '/recipes/key.txt' });
  expect(chosen(bound, { set: ['judges.main.model=larger'] }).judge).toMatchObject({ apiKeyFile: '/recipes/key.txt' });
  const named = chosen(bound, { judgeKeyEnv: 'OTHER_KEY' }).judge;
  expect(named).toMatchObject({ apiKeyEnv: 'OTHER_KEY' });
  expect(named['apiKeyFile']).toBeUndefined();
  const file = chosen(bound, { set: ['judges.main.api_key_file=other.txt'] }).judge;
  expect(file).toMatchObject({ apiKeyFile: resolve('other.txt') });
});
