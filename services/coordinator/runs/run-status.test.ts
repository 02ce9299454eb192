import { expect, test } from 'vitest';
import { emptyTally } from '#run/ledger/training-tally.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { newRunState, type Evaluation, type RunState } from '#run/ledger/run-state.ts';
import { createRunProgress } from '../watches/run-progress.ts';
import { runStatus } from './run-status.ts';

/** Two stages of two steps each; what the second differs in, if anything. */
const recipe = (second: string) =>
  parseRecipe(
    `
name: estimate
seed: 3
model: { path: ./model }
data: { world: { seed: 1, train: 100, held_out: 50 } }
fleet: { engine: { max_context: 1024 } }
eval: { questions: 50, sampled: true, greedy: true }
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 256, max_turns: 6, max_new_tokens: 32 }
    rewards: { f1: 1 }
    batch: { groups: 4, group_size: 8 }
    until: { steps: 2 }
  - name: two
    limits: { context_tokens: 256, max_turns: 6, max_new_tokens: 32 }
    batch: { groups: 4, group_size: 8 }
    until: { steps: 2 }
    ${second}`,
    'estimate.yaml',
  );

const evaluation: Evaluation = {
  stage: 'one',
  name: 'before',
  version: 0,
  stageStep: 0,
  metrics: { 'time/eval': 100 },
  weights: undefined,
};

/** In stage one, after its first step of 10 seconds and an evaluation of 100. */
const state: RunState = {
  ...newRunState('run'),
  life: 'running',
  step: 1,
  stages: [
    {
      name: 'one',
      index: 0,
      round: 0,
      progress: undefined,
      entryStep: 0,
      entryVersion: 0,
      steps: [{ step: 1, version: 1, notFinite: [], metrics: { 'time/step': 10 } }],
      evaluations: [evaluation],
      training: emptyTally,
      finished: undefined,
      gate: undefined,
    },
  ],
};

function remainingSeconds(of: ReturnType<typeof recipe>): number {
  const { current: progress } = createRunProgress();
  return Number(runStatus({ state, recipe: of, progress, sinceLastEntryMs: 0, led: true }).remainingMs) / 1000;
}

test('the time left counts one evaluation between two stages that are evaluated the same', () => {
  // Three steps; after one, and after two.
  expect(remainingSeconds(recipe('rewards: { f1: 1 }'))).toBe(3 * 10 + 2 * 100);
});

test('the time left counts an evaluation before a stage of the same limits with another scorer', () => {
  expect(remainingSeconds(recipe('rewards: { f1: 1, brevity: 0.5 }'))).toBe(3 * 10 + 3 * 100);
});

test('the time left counts the evaluations within a stage', () => {
  const often = recipe('rewards: { f1: 1 }');
  expect(remainingSeconds({ ...often, eval: { ...often.eval, every_steps: 1 } })).toBe(3 * 10 + 4 * 100);
});
