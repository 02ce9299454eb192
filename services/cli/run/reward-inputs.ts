import { errorFrom } from '#platform/errors.ts';
import { readKeyVariable } from '#endpoint/api-key.ts';
import type { Recipe } from '#recipe/schema.ts';
import type { LoadedRecipe } from './prepare-inputs.ts';
import { fileProblem } from './is-readable.ts';
import { locateRewardFiles } from '#recipe/resolve-recipe.ts';
import { isCustom } from '#recipe/stage-scorers.ts';

/** What the reward service of a recipe's own fleet would lack, for people: files and keys that are not there, judges that are not declared. */
export async function rewardProblems({ recipe, file }: LoadedRecipe, variables: NodeJS.ProcessEnv): Promise<string[]> {
  const { scorers, judge_keys: keys } = locateRewardFiles(recipe, file);
  const problems: string[] = [];
  for (const [name, path] of Object.entries(scorers ?? {})) {
    const problem = await fileProblem(path);
    if (problem !== undefined) problems.push(`scorers.${name}.path: ${path}: ${problem}`);
  }
  for (const [name, path] of Object.entries(keys ?? {})) {
    // One that is played asks for no key.
    if (Object.hasOwn(recipe.fleet.scripted_judges, name)) continue;
    const problem = await fileProblem(path);
    if (problem !== undefined) problems.push(`judges.${name}.api_key_file: ${path}: ${problem}`);
  }
  problems.push(...keyProblems(recipe, variables));
  // Otherwise the recipe's own rules have found every judge.
  if (recipe.judges !== undefined || Object.keys(recipe.fleet.scripted_judges).length > 0) return problems;
  for (const [name, scorer] of Object.entries(recipe.scorers ?? {})) {
    if (!isCustom(scorer))
      problems.push(`scorers.${name}.judge: the recipe has no \`judges\`; say there what ${scorer.judge} is`);
  }
  return problems;
}

/** Variables that hold keys of judges and of scorers behind URLs. */
export function keyProblems(
  { judges, scorers, fleet }: Pick<Recipe, 'judges' | 'scorers' | 'fleet'>,
  variables: NodeJS.ProcessEnv,
): string[] {
  const named = [
    ...Object.entries(judges ?? {}).flatMap(([name, { api_key_env: variable }]) =>
      Object.hasOwn(fleet.scripted_judges, name) ? [] : [[`judges.${name}.api_key_env`, variable] as const],
    ),
    ...Object.entries(scorers ?? {}).flatMap(([name, scorer]) =>
      scorer.kind === 'http' ? [[`scorers.${name}.key_env`, scorer.key_env] as const] : [],
    ),
  ];
  return named.flatMap(([where, variable]) => {
    try {
      if (variable !== undefined) readKeyVariable(where, variable, variables);
      return [];
    } catch (thrown) {
      return [errorFrom(thrown).message];
    }
  });
}
