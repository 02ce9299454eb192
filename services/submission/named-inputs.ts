import type { RecipePaths } from '#recipe/resolve-recipe.ts';
import {
  locateEnvironment,
  locateInputs,
  locateRewardFiles,
  locateSearchModels,
  locateStageFiles,
  sourcesOf,
} from '#recipe/resolve-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';

/**
 * Where the files lie that a recipe names, before anything is made of them: sources of rows stand for the rows that are prepared from them. What
 * a recipe does not name, as the files of a generated world, has an empty path, which no file has, and an artefact its location: its digest says what
 * it is.
 */
export function namedInputs(recipe: Recipe, recipeFile: string): RecipePaths {
  const { model = '', data } = locateInputs(recipe, { file: recipeFile });
  const { train, heldOut, corpus } = sourcesOf(data);
  return {
    model,
    train,
    held_out: heldOut,
    ...(corpus !== undefined && { corpus }),
    ...locateEnvironment(recipe, recipeFile),
    ...locateSearchModels(recipe),
    ...locateRewardFiles(recipe, recipeFile),
    ...locateStageFiles(recipe, { file: recipeFile }),
  };
}
