import { hasPlateau } from '#shared/domain/plateau.ts';
import type { StageRecipe } from '#shared/recipe/schema.ts';
import type { StageState } from '../ledger/run-state.ts';
import type { StageKind } from './stage-kind.ts';

/** Reinforcement learning: steps of rollouts and updates until the steps, a plateau or a budget end it. */
export const rlStage: StageKind = {
  name: 'rl',
  decide(recipe, stage, evalEverySteps) {
    const done = stage.steps.length;
    const name = `step-${done}`;
    const end = endOf(recipe, stage);
    const due = evalEverySteps > 0 && done > 0 && done % evalEverySteps === 0 && end === undefined;
    if (due && !stage.evaluations.some((evaluation) => evaluation.name === name)) return { kind: 'evaluate', name };
    return end === undefined ? { kind: 'gather', stageStep: done } : { kind: 'finish', reason: end };
  },
};

function endOf(recipe: StageRecipe, stage: StageState): 'steps' | 'plateau' | 'budget' | undefined {
  const { steps, plateau, budget } = recipe.until;
  if (stage.steps.length >= steps) return 'steps';
  const sum = (metric: string) => stage.steps.reduce((total, step) => total + (step.metrics[metric] ?? 0), 0);
  if (budget?.minutes !== undefined && sum('time/step') >= budget.minutes * 60) return 'budget';
  if (budget?.rollouts !== undefined && sum('rollouts/published') >= budget.rollouts) return 'budget';
  if (plateau !== undefined) {
    const rewards = stage.steps.map((step) => step.metrics['reward/mean'] ?? 0);
    if (hasPlateau(rewards, { windowSteps: plateau.window_steps, minDelta: plateau.min_delta })) return 'plateau';
  }
  return undefined;
}
