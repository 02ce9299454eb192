import type { Recipe, StageRecipe } from '#recipe/schema.ts';
import { stageKinds } from '../index.ts';
import type { RolloutStage } from './fields.ts';
import { hasRollouts, nearestRollouts } from './rollout-stages.ts';
import type { StageKind } from './stage-kind.ts';
import type { TrainingStage } from './training-fields.ts';

/** The kind of a stage. Kinds are looked up here and nowhere compared by name. */
export function kindOf(stage: StageRecipe | TrainingStage): StageKind {
  return kindNamed(stage.kind);
}

export function kindNamed(name: string): StageKind {
  const found: StageKind | undefined = stageKinds.find(({ kind }) => kind === name);
  if (found === undefined)
    throw new TypeError(`there is no stage kind '${name}'; known: ${stageKinds.map(({ kind }) => kind).join(', ')}`);
  return found;
}

/** Whether some kind reads this metric of steps before the newest one. */
export function isRemembered(metric: string): boolean {
  return stageKinds.some(({ remembers }: StageKind) => remembers?.includes(metric) ?? false);
}

/** Whether any stage of a recipe needs the learner. */
export function needsLearner({ stages }: Pick<Recipe, 'stages'>): boolean {
  return stages.some((stage) => kindOf(stage).needsLearner);
}

/** Whether any stage of a recipe changes the policy: the engines have its weights then, and no other run may use them. */
export function changesPolicy({ stages }: Pick<Recipe, 'stages'>): boolean {
  return stages.some((stage) => kindOf(stage).changesPolicy);
}

/** With whose limits and scorers the rollouts under a stage's name are played: its own, or those that it is evaluated with. */
export function playedAs(recipe: Pick<Recipe, 'stages'>, name: string): RolloutStage | undefined {
  const index = recipe.stages.findIndex((stage) => stage.name === name);
  const stage = recipe.stages[index];
  return stage !== undefined && hasRollouts(stage) ? stage : evaluatedAs(recipe, index);
}

/** With whose limits and scorers the policy is evaluated before and after the stage at `index`; undefined where it is not evaluated. */
export function evaluatedAs(recipe: Pick<Recipe, 'stages'>, index: number): RolloutStage | undefined {
  const stage = recipe.stages[index];
  return stage !== undefined && kindOf(stage).changesPolicy ? nearestRollouts(recipe, index) : undefined;
}
