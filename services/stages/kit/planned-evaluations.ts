import type { Recipe } from '#recipe/schema.ts';
import { evaluationKey } from '#recipe/stage-scorers.ts';
import type { RolloutStage } from './fields.ts';
import { evaluatedAs, kindOf } from './kinds.ts';

/** A held-out evaluation that a run of the recipe will play. */
export interface PlannedEvaluation {
  /** Index of the stage that it belongs to. */
  readonly stage: number;
  readonly when: 'before' | 'within' | 'after' | 'baseline';
  /** With whose limits and scorers. */
  readonly settings: RolloutStage;
}

/**
 * The held-out evaluations of a recipe: before the first stage and before each one that is evaluated otherwise than the one before it
 * (between two that are evaluated the same, the earlier `after` is the later `before`), every `every_steps`, after each stage, and the
 * untrained policy as the last stage is evaluated.
 */
export function plannedEvaluations(recipe: Recipe): readonly PlannedEvaluation[] {
  const same = (a: RolloutStage, b: RolloutStage) => evaluationKey(recipe, a) === evaluationKey(recipe, b);
  const { every_steps: everySteps } = recipe.eval;
  const planned: PlannedEvaluation[] = [];
  let previous: PlannedEvaluation | undefined;
  recipe.stages.forEach((each, stage) => {
    const settings = evaluatedAs(recipe, stage);
    if (settings === undefined) return;
    if (previous === undefined || !same(previous.settings, settings)) planned.push({ stage, when: 'before', settings });
    const { steps } = kindOf(each).estimate(each, recipe);
    const within = everySteps === 0 ? 0 : Math.max(0, Math.floor((steps - 1) / everySteps));
    for (let count = 0; count < within; count += 1) planned.push({ stage, when: 'within', settings });
    previous = { stage, when: 'after', settings };
    planned.push(previous);
  });
  const [first] = planned;
  if (first !== undefined && previous !== undefined && !same(first.settings, previous.settings))
    planned.push({ stage: first.stage, when: 'baseline', settings: previous.settings });
  return planned;
}
