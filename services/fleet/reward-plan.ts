import type { Recipe } from '#recipe/schema.ts';
import type { RewardPaths } from '#recipe/resolve-recipe.ts';
import { camelKeys } from '#recipe/snake-shape.ts';
import { isCustom } from '#recipe/stage-scorers.ts';
import { pythonProgram } from '#platform/repository.ts';

type RewardInputs = Pick<Recipe, 'judges' | 'scorers'>;

/** The reward service's config for a recipe's judges and custom scorers; empty for a recipe that declares none. Holds no keys. */
export function rewardConfigOf({ judges, scorers }: RewardInputs, paths: RewardPaths): Record<string, object> {
  const custom = Object.entries(scorers ?? {}).filter(([, scorer]) => isCustom(scorer));
  return {
    ...(judges !== undefined && {
      judges: mapEntries(Object.entries(judges), (name, judge) => {
        const apiKeyFile = paths.judge_keys?.[name];
        const cacheDirectory = paths.judge_caches?.[name];
        return {
          ...camelKeys(judge),
          ...(apiKeyFile !== undefined && { apiKeyFile }),
          ...(cacheDirectory !== undefined && { cacheDirectory }),
        };
      }),
    }),
    ...(custom.length > 0 && {
      scorers: mapEntries(custom, (name, scorer) => {
        const path = paths.scorers?.[name];
        return { ...camelKeys(scorer), ...(path !== undefined && { path }) };
      }),
    }),
  };
}

/** The same as flags. */
export function rewardFlags(recipe: RewardInputs, paths: RewardPaths): Record<string, string> {
  const inPython = Object.values(recipe.scorers ?? {}).some(({ kind }) => kind === 'python');
  return {
    ...Object.fromEntries(
      Object.entries(rewardConfigOf(recipe, paths)).map(([key, value]) => [key, JSON.stringify(value)]),
    ),
    ...(inPython && { python: pythonProgram }),
  };
}

/** Environment variables that hold keys of judges and custom scorers, or that scorers are granted. */
export function keyVariables({ judges, scorers }: RewardInputs): string[] {
  return [
    ...Object.values(judges ?? {}).flatMap(({ api_key_env: name }) => (name === undefined ? [] : [name])),
    ...Object.values(scorers ?? {}).flatMap((scorer) => {
      if (scorer.kind === 'typescript' || scorer.kind === 'python') return scorer.environment;
      return scorer.kind === 'http' && scorer.key_env !== undefined ? [scorer.key_env] : [];
    }),
  ];
}

function mapEntries<Value>(
  entries: readonly (readonly [string, Value])[],
  change: (name: string, value: Value) => object,
): object {
  return Object.fromEntries(entries.map(([name, value]) => [name, change(name, value)]));
}
