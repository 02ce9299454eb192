import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { bestVersions } from './best-versions.ts';
import { foldEntry } from './fold.ts';
import type { FactInit } from './read-ledger.ts';
import { newRunState } from './run-state.ts';

const recipe = (keepBest: number, evaluation = '{}') =>
  parseRecipe(
    `
name: test
model: { path: model }
data: { world: { seed: 1 } }
environment: { name: search }
eval: ${evaluation}
checkpoints: { keep_best: ${keepBest} }
stages:
  - name: one
    limits: { context_tokens: 288, max_new_tokens: 48 }
    rewards: { exact_match: 1 }
    until: { steps: 4 }
`,
    'test.yaml',
  );

const started: FactInit[] = [
  { case: 'runStarted', value: { recipeJson: '{}', recipeHash: 'h', seed: 1n, directory: '/runs/a' } },
  { case: 'stageEntered', value: { stage: 'one', stageIndex: 0 } },
];
const step = (number: bigint, directory = '/runs/a'): FactInit[] => [
  { case: 'stepFormed', value: { stage: 'one', step: number } },
  {
    case: 'stepCommitted',
    value: { step: number, version: number, weightsPath: `${directory}/versions/${number}` },
  },
];
const scored = (name: string, greedy: number, sampled = 0): FactInit => ({
  case: 'evalFinished',
  value: { stage: 'one', name, metrics: { 'greedy.exact_match': greedy, 'sampled.exact_match': sampled } },
});
const after = (...facts: FactInit[]) =>
  [...started, ...facts].reduce(
    (state, fact) => foldEntry(state, create(LedgerEntrySchema, { runId: 'a', fact })),
    newRunState('a'),
  );
const found = (keepBest: number, state: ReturnType<typeof after>, evaluation?: string) =>
  bestVersions(recipe(keepBest, evaluation), state).map(({ version, score, path }) => [version, score, path]);

const course = [
  scored('before', 0.99),
  ...step(1n),
  scored('step-1', 0.5, 0.1),
  ...step(2n),
  scored('step-2', 0.7, 0.2),
  ...step(3n),
  scored('step-3', 0.7, 0.3),
];

test('the best by the greedy primary metric come first, of equal ones the earlier, and no model that was not trained', () => {
  const state = after(...course);
  expect(found(0, state)).toEqual([]);
  expect(found(1, state)).toEqual([[2, 0.7, '/runs/a/versions/2']]);
  expect(found(9, state).map(([version]) => version)).toEqual([2, 3, 1]);
  expect(found(1, state, '{ greedy: false }')).toEqual([[3, 0.3, '/runs/a/versions/3']]);
});

test('the last evaluation of a version counts', () => {
  expect(found(1, after(...course, scored('after', 0.1)))).toEqual([[2, 0.7, '/runs/a/versions/2']]);
  expect(found(1, after(...course, scored('after', 0.8)))).toEqual([[3, 0.8, '/runs/a/versions/3']]);
});

test('they lie where the run was moved to, and stay in the branch that a roll back left', () => {
  const rolledBack: FactInit = { case: 'gateDecided', value: { stage: 'one', passed: false, action: 'roll_back' } };
  const moved: FactInit = { case: 'runResumed', value: { directory: '/runs/b' } };
  const state = after(...course, rolledBack, moved, ...step(4n, '/runs/b/branches/1'), scored('x', 0.6));
  expect(bestVersions(recipe(3), state)).toMatchObject([
    { step: 2, branch: 0, branchStep: 2, path: '/runs/b/versions/2' },
    { step: 3, branch: 0, branchStep: 3 },
    { step: 4, branch: 1, branchStep: 1, path: '/runs/b/branches/1/versions/4' },
  ]);
});
