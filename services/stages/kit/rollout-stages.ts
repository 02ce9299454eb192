import type { Recipe, StageRecipe } from '#recipe/schema.ts';
import type { Gate, RolloutStage } from './fields.ts';

/** What must hold to be promoted; undefined where the kind has no gate, or the stage none. */
export function gateOf(stage: StageRecipe): Gate | undefined {
  return 'gate' in stage ? stage.gate : undefined;
}

/** Whether a stage plays rollouts of its own. */
export function hasRollouts(stage: StageRecipe): stage is StageRecipe & RolloutStage {
  return 'limits' in stage;
}

export function rolloutStages({ stages }: Pick<Recipe, 'stages'>): (StageRecipe & RolloutStage)[] {
  return stages.filter(hasRollouts);
}

/** Limits and scorers for evaluations of the stage at `index`: its own, else those of the next stage that has some, else of the one before. */
export function nearestRollouts({ stages }: Pick<Recipe, 'stages'>, index: number): RolloutStage | undefined {
  const stage = stages[index];
  if (stage === undefined) return undefined;
  const { name } = stage;
  if (hasRollouts(stage)) return stage;
  const settings = stages.slice(index + 1).find(hasRollouts) ?? stages.slice(0, index).findLast(hasRollouts);
  return settings === undefined ? undefined : { ...settings, name };
}
