import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { checkRecipeValue } from '#recipe/parse-recipe.ts';

const page = new URL('../../../docs/how-to/choose-prompts.md', import.meta.url);

test('every block of the page on choosing prompts is part of a recipe that passes its checks', async () => {
  const text = await readFile(page, 'utf8');
  const blocks = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, block = '']) => parse(block) as object);
  expect(blocks.length).toBeGreaterThan(4);
  const limits = { context_tokens: 640, max_new_tokens: 48 };
  for (const block of blocks) {
    const outcome = checkRecipeValue({
      name: 'page',
      model: { path: 'm' },
      data: { world: {} },
      environment: { name: 'search' },
      stages: [
        { name: 'look', kind: 'eval', limits, rewards: { exact_match: 1 }, prompts: { of: 'train' }, samples: 8 },
        { name: 'learn', kind: 'rl', limits, rewards: { exact_match: 1 }, until: { steps: 1 }, ...block },
      ],
    });
    expect(outcome).toMatchObject({ kind: 'recipe' });
  }
});

test('what contradicts itself in prompts is refused, all of it, with the field', () => {
  const limits = { context_tokens: 640, max_new_tokens: 48 };
  const stage = { kind: 'rl', limits, rewards: { exact_match: 1 }, until: { steps: 1 } };
  const outcome = checkRecipeValue({
    name: 'bad',
    model: { path: 'm' },
    data: { world: {} },
    environment: { name: 'search' },
    stages: [
      { ...stage, name: 'a', prompts: { sampling: { kind: 'difficulty', band: [0.9, 0.1], metric: 'exact_mach' } } },
      { ...stage, name: 'b', prompts: { sampling: { kind: 'curriculum', tag: 'hops', rehearsal: 0.6, ahead: 0.5 } } },
      { ...stage, name: 'c', prompts: { rows: { stage: 'a' } } },
    ],
  });
  if (outcome.kind === 'recipe') throw new Error('accepted');
  expect(outcome.issues.map(({ path }) => path.join('.'))).toEqual([
    'stages.0.prompts.sampling.band',
    'stages.0.prompts.sampling.metric',
    'stages.1.prompts.sampling.rehearsal',
    'stages.2.prompts.rows.stage',
  ]);
  expect(outcome.issues[1]?.message).toContain('did you mean exact_match?');
  expect(outcome.issues[3]?.message).toContain('not an earlier stage that leaves rows');
});
