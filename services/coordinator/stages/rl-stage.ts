import { hasPlateau } from '#shared/domain/plateau.ts';
import type { StageRecipe } from '#shared/recipe/schema.ts';
import type { StageState, StepSummary } from '../ledger/run-state.ts';
import type { StageKind } from './stage-kind.ts';

/** Reinforcement learning: steps of rollouts and updates until the steps, a plateau or a budget end it. */
export const rlStage: StageKind = {
  name: 'rl',
  decide(recipe, stage, waiting, evalEverySteps) {
    const done = stage.steps.length;
    const name = `step-${done}`;
    const end = endOf(recipe, stage);
    // What is decided is trained on, also when the end came while it was gathered.
    if (end !== undefined) return waiting > 0 ? { kind: 'work', before: 0 } : { kind: 'finish', reason: end };
    const due = evalEverySteps > 0 && done > 0 && done % evalEverySteps === 0;
    if (due && !stage.evaluations.some((evaluation) => evaluation.name === name)) return { kind: 'evaluate', name };
    // The batch of stage step g is trained on at g versions after the entry. A sample that begins now is at most
    // max_staleness behind that if g <= done + max_staleness (P5). Nothing is gathered across an evaluation or the end.
    const barrier = evalEverySteps > 0 ? (Math.floor(done / evalEverySteps) + 1) * evalEverySteps : Infinity;
    return { kind: 'work', before: Math.min(done + recipe.max_staleness + 1, recipe.until.steps, barrier) };
  },
};

type End = 'steps' | 'plateau' | 'budget';

/** The first end that any step so far brought: batches that were trained on after it do not take it back. */
function endOf(recipe: StageRecipe, stage: StageState): End | undefined {
  const { steps: most, plateau, budget } = recipe.until;
  const value = (step: StepSummary, metric: string) => step.metrics[metric] ?? 0;
  const rewards: number[] = [];
  let seconds = 0;
  let rollouts = 0;
  if (most === 0) return 'steps';
  for (const step of stage.steps) {
    rewards.push(value(step, 'reward/mean'));
    seconds += value(step, 'time/step');
    rollouts += value(step, 'rollouts/published');
    if (rewards.length >= most) return 'steps';
    if (budget?.minutes !== undefined && seconds >= budget.minutes * 60) return 'budget';
    if (budget?.rollouts !== undefined && rollouts >= budget.rollouts) return 'budget';
    if (plateau === undefined) continue;
    const { window_steps: windowSteps, min_delta: minDelta } = plateau;
    if (hasPlateau(rewards.slice(-2 * windowSteps), { windowSteps, minDelta })) return 'plateau';
  }
  return undefined;
}
