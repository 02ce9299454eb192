import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadRecipe, prepareInputs } from './prepare-inputs.ts';
import { rewardProblems } from './reward-inputs.ts';

const recipe = (judges: string) => `
name: scored
model: { path: ./m }
data: { world: {} }
${judges}
scorers:
  correct: { kind: grade, judge: main }
  house: { kind: typescript, path: ./scorers/house.ts }
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 256, max_new_tokens: 32 }
    rewards: { correct: 1, house: 1 }
    until: { steps: 10 }
`;

async function load(judges: string) {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-reward-inputs-'));
  await writeFile(join(directory, 'r.yaml'), recipe(judges));
  return { directory, loaded: await loadRecipe(join(directory, 'r.yaml')) };
}

test('files that the reward service will read are looked for next to the recipe before anything starts', async () => {
  const { directory, loaded } = await load(
    'judges: { main: { base_url: http://127.0.0.1:1/v1, model: m, api_key_file: key } }',
  );
  const problems = [
    `scorers.house.path: ${join(directory, 'scorers/house.ts')}: there is no such file; check the path`,
    `judges.main.api_key_file: ${join(directory, 'key')}: there is no such file; check the path`,
  ];
  expect(await rewardProblems(loaded, {})).toEqual(problems);
  await expect(prepareInputs(loaded, directory)).rejects.toThrow(`${loaded.file}: ${problems.join('; ')}`);
});

test('a recipe that asks judges says what they are, for a fleet of its own', async () => {
  const { loaded } = await load('');
  expect(await rewardProblems(loaded, {})).toContain(
    'scorers.correct.judge: the recipe has no `judges`; say there what main is',
  );
});

test('a judge that the fleet plays needs neither an entry in `judges` nor its key', async () => {
  const played = 'fleet: { scripted_judges: { main: {} } }';
  const house = expect.stringMatching(/^scorers\.house\.path/);
  expect(await rewardProblems((await load(played)).loaded, {})).toEqual([house]);
  const judges = `judges: { main: { base_url: http://127.0.0.1:1/v1, model: m, api_key_file: key } }\n${played}`;
  expect(await rewardProblems((await load(judges)).loaded, {})).toEqual([house]);
});

test("keys that are not set are named by the recipe's field; a judge that is played needs none", async () => {
  const judge = 'main: { base_url: http://127.0.0.1:1/v1, model: m, api_key_env: JUDGE_KEY }';
  const { loaded } = await load(`judges: { ${judge} }`);
  expect(await rewardProblems(loaded, { JUDGE_KEY: 'k' })).toHaveLength(1);
  expect(await rewardProblems(loaded, {})).toContain(
    'judges.main.api_key_env: variable JUDGE_KEY is empty or not set; set it',
  );
  const { loaded: played } = await load(`judges: { ${judge} }\nfleet: { scripted_judges: { main: {} } }`);
  expect((await rewardProblems(played, {})).filter((problem) => problem.includes('JUDGE_KEY'))).toEqual([]);
});
