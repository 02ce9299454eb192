import { environmentDirectory, needsRetrieval } from '#recipe/environment-part.ts';
import { canonicalJson, resolveRecipe, type RecipePaths, type ResolvedRecipe } from '#recipe/resolve-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';
import { needsLearner } from '#stages/kit/kinds.ts';
import { namedInputs } from './named-inputs.ts';

export interface SubmittedRecipe {
  readonly recipe: Recipe;
  /** As its author named the file; for people. */
  readonly recipePath: string;
  readonly set: readonly string[];
}

export interface MatchedRecipe {
  readonly resolved: ResolvedRecipe;
  /** What of the recipe does not hold here. */
  readonly notes: readonly string[];
}

/**
 * A recipe with the inputs of a fleet that runs, or why that fleet cannot run it. What its services loaded when they started has to be
 * what the recipe names: model, data, retrieval, judges and scorers. Stages, environment options, evaluation and seed are the recipe's own.
 */
export function matchRecipe(
  submitted: SubmittedRecipe,
  offered: ResolvedRecipe,
): MatchedRecipe | { problems: string[] } {
  const { recipe, recipePath, set } = submitted;
  const problems = differences(recipe, offered.recipe);
  const stages = stagePaths(recipe, offered, problems);
  if (problems.length > 0) return { problems };
  const { stages: _others, environment: _folder, ...shared } = offered.paths;
  const environment = environmentDirectory(recipe, offered.recipe_path);
  const paths: RecipePaths = {
    ...shared,
    ...(environment !== undefined && { environment }),
    ...(Object.keys(stages).length > 0 && { stages }),
  };
  const { fleet } = offered.recipe;
  const notes =
    canonicalJson(recipe.fleet) === canonicalJson(fleet)
      ? []
      : [`fleet: the server's holds, as ${offered.recipe_path} has it, in place of the recipe's`];
  return { resolved: resolveRecipe({ ...recipe, fleet }, recipePath, paths, set), notes };
}

/** What of a recipe is not what the services of a fleet loaded when they started, a sentence each. */
export function differences(recipe: Recipe, offered: Recipe): string[] {
  const { source: _a, ...model } = recipe.model;
  const { source: _b, ...offeredModel } = offered.model;
  const own = recipe.environment;
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['model', model, offeredModel],
    ['data', recipe.data, offered.data],
    ['environment.path', own.path ?? null, offered.environment.path ?? null],
    ['environment.limits', own.limits ?? null, offered.environment.limits ?? null],
    ['judges', recipe.judges ?? {}, offered.judges ?? {}],
    ['scorers', recipe.scorers ?? {}, offered.scorers ?? {}],
    // Fresh weights follow from it.
    ...(model.weights === undefined ? [] : [['seed', recipe.seed, offered.seed] as const]),
    ...(needsRetrieval(recipe) && needsRetrieval(offered)
      ? [['retrieval', recipe.retrieval, offered.retrieval] as const]
      : []),
  ];
  return [
    ...pairs.flatMap(([name, wanted, here]) =>
      canonicalJson(wanted) === canonicalJson(here)
        ? []
        : [`${name}: is ${shown(wanted)}, and the server's fleet was started with ${shown(here)}`],
    ),
    ...(needsRetrieval(recipe) && !needsRetrieval(offered)
      ? [`environment.name: ${own.name} searches, and the server's fleet has no retrieval`]
      : []),
    ...(needsLearner(recipe) && !needsLearner(offered)
      ? ["stages: one of them trains, and the server's fleet has no learner"]
      : []),
  ];
}

/** Files of stages, from those that the recipe of the fleet names in the same place. */
function stagePaths(recipe: Recipe, offered: ResolvedRecipe, problems: string[]): Record<string, string> {
  const wanted = namedInputs(recipe, '/').stages ?? {};
  const there = namedInputs(offered.recipe, '/').stages ?? {};
  return Object.fromEntries(
    Object.entries(wanted).flatMap(([name, path]) => {
      const at = offered.paths.stages?.[name];
      if (at !== undefined && there[name] === path) return [[name, at]];
      problems.push(`stages: ${name}: the server has no such file`);
      return [];
    }),
  );
}

const mostShown = 200;

function shown(value: unknown): string {
  const text = canonicalJson(value);
  return text.length <= mostShown ? text : `${text.slice(0, mostShown)}…`;
}
