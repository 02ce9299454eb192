import type { LoadedRecipe } from './prepare-inputs.ts';
import { fileProblem } from './is-readable.ts';
import { locateRewardFiles } from '#recipe/resolve-recipe.ts';
import { isCustom } from '#recipe/stage-scorers.ts';

/** What the reward service of a recipe's own fleet would lack, for people: files that are not there, judges that are not declared. */
export async function rewardProblems({ recipe, file }: LoadedRecipe): Promise<string[]> {
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
  // Otherwise the recipe's own rules have found every judge.
  if (recipe.judges !== undefined || Object.keys(recipe.fleet.scripted_judges).length > 0) return problems;
  for (const [name, scorer] of Object.entries(recipe.scorers ?? {})) {
    if (!isCustom(scorer))
      problems.push(`scorers.${name}.judge: the recipe has no \`judges\`; say there what ${scorer.judge} is`);
  }
  return problems;
}
