import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import type { PlayedSample } from '../kit/stage-context.ts';
import { pairedReport, pairedTest, readShares, signTest } from './paired.ts';

// Exact fractions, summed with Python's fractions and math.comb.
it.each([
  [0, 0, 1],
  [1, 5, 0.21875],
  [10, 2, 0.03857421875],
  [5, 190, 9.123992475242546e-50],
  [121, 59, 4.434449263755176e-6],
  [60, 60, 1],
  [700, 800, 0.010559255466711544],
])('%i better and %i worse have p %d in the exact sign test', (better, worse, p) => {
  expect(signTest(better, worse) / p).toBeCloseTo(1, 10);
  expect(signTest(worse, better)).toBe(signTest(better, worse));
});

it('rows that are equal decide nothing, and shares of several samples are compared as they are', () => {
  const pairs = [
    { before: 0, after: 1 },
    { before: 0.25, after: 0.5 },
    { before: 1, after: 0.75 },
    { before: 1, after: 1 },
  ];
  expect(pairedTest(pairs)).toEqual({ rows: 4, better: 2, worse: 1, difference: 0.25, p: 1 });
  expect(pairedTest([])).toEqual({ rows: 0, better: 0, worse: 0, difference: 0, p: 1 });
});

const stageOf = (against: string, first = '') =>
  parseRecipe(
    `
name: test
model: { path: m }
data: { world: {} }
environment: { name: search }
stages:
  - &asked { name: first, kind: eval, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { exact_match: 1 }${first} }
  - { name: learns, kind: rl, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { exact_match: 1 }, until: { steps: 1 } }
  - { name: second, kind: eval, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { exact_match: 1 }, against: ${against} }
`,
    'test.yaml',
  ).stages.at(-1);

const sample = (right: number | undefined): PlayedSample => ({
  rollout: 'r',
  values: right === undefined ? {} : { exact_match: right },
  grades: {},
  unscored: {},
  environment: {},
  prediction: undefined,
  failure: undefined,
  absent: right === undefined ? 'deadline' : undefined,
  absentDetail: '',
  textOnly: false,
  truncated: false,
  turns: 1,
  toolCalls: 0,
  modelTokens: 5,
});

it('P2: a row without a result in either evaluation is in no pair, and is counted', async () => {
  const path = join(await temporaryDirectory('gradus-paired-'), 'rows.jsonl');
  const left = [
    { id: 'a', data: {}, gold: {}, tags: { hops: '2', pass_rate: '0' } },
    { id: 'b', data: {}, gold: {}, tags: { hops: '3', pass_rate: '1' } },
    { id: 'c', data: {}, gold: {}, tags: { hops: '3', pass_rate: '1' } },
    { id: 'd', data: {}, gold: {}, tags: { hops: '3' } },
  ];
  await writeFile(path, left.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const stage = stageOf('first');
  if (stage?.kind !== 'eval') throw new Error('no eval stage');
  const rows = Object.entries({ a: 1, b: 0, c: undefined, d: 1 }).map(([id, right]) => ({
    id,
    tags: { hops: id === 'a' ? '2' : '3' },
    samples: [sample(right)],
  }));
  const decided = { ...stage, success: { metric: 'exact_match', at_least: 1 } };
  expect(pairedReport(decided, 'first', rows, await readShares(path))).toEqual({
    against: 'first',
    rows: 2,
    better: 1,
    worse: 1,
    difference: 0,
    p: 1,
    unpaired: 2,
    by_tag: {
      'hops=2': { rows: 1, better: 1, worse: 0, difference: 1, p: 1 },
      'hops=3': { rows: 1, better: 0, worse: 1, difference: -1, p: 1 },
    },
  });
});

it.each([
  ['third', '', 'stages[2].against: is not an earlier stage that leaves rows; there are: first (got "third")'],
  ['learns', '', 'stages[2].against: is not an earlier stage that leaves rows'],
  ['first', ', prompts: { of: train }', 'stages[2].against: must be a stage with the same prompts'],
  ['first', ', success: { metric: reward }', 'stages[2].against: must be a stage with the same success'],
])('against %s is refused where the first stage has "%s"', (against, first, problem) => {
  expect(() => stageOf(against, first)).toThrow(problem);
});
