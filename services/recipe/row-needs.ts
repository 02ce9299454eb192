import { environmentNamed } from '#environments/registry.ts';
import { rolloutStages } from '#stages/kit/rollout-stages.ts';
import type { RowNeeds } from '#questions/read-questions.ts';
import { ownRewards } from './environment-part.ts';
import type { Recipe } from './schema.ts';
import { taskScorers } from './stage-scorers.ts';

/** What rows of the recipe's data have to hold. */
export function rowNeeds(recipe: Pick<Recipe, 'environment' | 'stages' | 'scorers'>): RowNeeds {
  const { row } = environmentNamed(recipe.environment.name);
  return {
    stages: rolloutStages(recipe).map((stage) => ({
      name: stage.name,
      scorers: taskScorers(recipe, stage),
      dayFirst: stage.rewards.date?.day_first,
    })),
    row,
    selfScored: ownRewards(recipe).length > 0,
  };
}
