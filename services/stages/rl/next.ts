import { rewardMetric } from '#rewards/metric-names.ts';
import type { Recipe } from '#recipe/schema.ts';
import type { Gather } from '../kit/stage-context.ts';
import type { StageNext, StageView } from '../kit/stage-kind.ts';
import type { RlStage } from './schema.ts';
import { meanOf } from '#rewards/advantages.ts';

export function nextOfRl(stage: RlStage, view: StageView, recipe: Pick<Recipe, 'eval'>): StageNext<Gather> {
  const evalEverySteps = recipe.eval.every_steps;
  const done = view.steps.length;
  const name = `step-${done}`;
  const end = endOf(stage, view);
  // What is decided is trained on, also when the end came while it was gathered.
  if (end !== undefined)
    return view.waiting > 0 ? { kind: 'act', action: { before: 0 } } : { kind: 'finish', reason: end };
  const due = evalEverySteps > 0 && done > 0 && done % evalEverySteps === 0;
  if (due && !view.evaluations.some((evaluation) => evaluation.name === name)) return { kind: 'evaluate', name };
  // The batch of stage step g is trained on at g versions after the entry. A sample that begins now is at most
  // max_staleness behind that if g <= done + max_staleness (P5). Nothing is gathered across an evaluation or the end.
  const barrier = evalEverySteps > 0 ? (Math.floor(done / evalEverySteps) + 1) * evalEverySteps : Infinity;
  const before = Math.min(done + stage.max_staleness + 1, stage.until.steps, barrier);
  return { kind: 'act', action: { before } };
}

type End = 'steps' | 'plateau' | 'budget';

/** The first end that any step so far brought: batches that were trained on after it do not take it back. */
function endOf(stage: RlStage, view: StageView): End | undefined {
  const { steps: most, plateau, budget } = stage.until;
  const value = (step: StageView['steps'][number], metric: string) => step.metrics[metric] ?? 0;
  const values: number[] = [];
  let steps = 0;
  let seconds = 0;
  let rollouts = 0;
  if (most === 0) return 'steps';
  for (const step of view.steps) {
    // A step in which nobody could give the component says nothing of it (P2).
    const watched =
      step.metrics[
        plateau === undefined || plateau.metric === rewardMetric ? 'reward/mean' : `reward/${plateau.metric}`
      ];
    if (watched !== undefined) values.push(watched);
    steps += 1;
    seconds += value(step, 'time/step');
    rollouts += value(step, 'rollouts/published');
    if (steps >= most) return 'steps';
    if (budget?.minutes !== undefined && seconds >= budget.minutes * 60) return 'budget';
    if (budget?.rollouts !== undefined && rollouts >= budget.rollouts) return 'budget';
    if (plateau === undefined) continue;
    const { window_steps: windowSteps, min_delta: minDelta } = plateau;
    if (hasPlateau(values.slice(-2 * windowSteps), { windowSteps, minDelta })) return 'plateau';
  }
  return undefined;
}

export interface Plateau {
  readonly windowSteps: number;
  readonly minDelta: number;
}

/** Whether the mean of the last window of rewards is less than `minDelta` above that of the window before it. */
export function hasPlateau(rewardPerStep: readonly number[], plateau: Plateau): boolean {
  const { windowSteps, minDelta } = plateau;
  if (rewardPerStep.length < 2 * windowSteps) return false;
  const last = meanOf(rewardPerStep.slice(-windowSteps));
  const before = meanOf(rewardPerStep.slice(-2 * windowSteps, -windowSteps));
  return last - before < minDelta;
}
