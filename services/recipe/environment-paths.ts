import { dirname, resolve } from 'node:path';
import { findEnvironment } from '#environments/registry.ts';
import type { Recipe } from './schema.ts';

/** Where paths in the options of the environment start, which is the recipe's folder; undefined where none are. */
export function environmentDirectory(
  { environment }: Pick<Recipe, 'environment'>,
  recipeFile: string,
): string | undefined {
  return findEnvironment(environment.name)?.locate === undefined ? undefined : dirname(resolve(recipeFile));
}

/** The recipe as tasks carry it: paths in the options of its environment are absolute. Its hash is of the one that was given (P8). */
export function withLocatedEnvironment(recipe: Recipe, directory: string | undefined): Recipe {
  const definition = findEnvironment(recipe.environment.name);
  if (definition?.locate === undefined || directory === undefined) return recipe;
  const options = definition.locate(recipe.environment.options, (path) => resolve(directory, path));
  // Options are JSON, and paths are texts.
  return { ...recipe, environment: { ...recipe.environment, options: options as Recipe['environment']['options'] } };
}
