import { access } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { SubmitRecipeRequest } from '#proto/coordinator/v1/coordinator_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { surveyInputs } from '#recipe/inputs/survey-inputs.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { parseSetting } from '#recipe/recipe-settings.ts';
import { resolvedRecipeJson } from '#recipe/resolve-recipe.ts';
import { missingInputs } from '#submission/match-inputs.ts';
import { matchRecipe } from '#submission/match-recipe.ts';
import { namedInputs } from '#submission/named-inputs.ts';
import { readOffer } from '#submission/offered-recipe.ts';
import { requireLoaded } from '../runs/require-loaded.ts';
import type { RunRegistry, Submitted } from '../runs/run-registry.ts';
import { checkRunId } from '../runs/run-registry.ts';

const mostTextBytes = 1024 * 1024;

/** Starts a run of a recipe that was written elsewhere. All that is wrong with it is said at once. */
export async function submitRecipe(
  registry: Pick<RunRegistry, 'submit'>,
  home: string | undefined,
  request: SubmitRecipeRequest,
  signal: AbortSignal,
): Promise<Submitted & { notes: string[] }> {
  const { recipeText, set, inputs, priority, noQueue } = request;
  const runId = checkRunId(request.runId);
  const offered = home === undefined ? undefined : await readOffer(home);
  if (home === undefined || offered === undefined)
    throw new TerminalError(
      'failed_precondition',
      "this fleet takes no recipes: it runs for one run, or was not started by 'gradus up RECIPE'",
    );
  if (Buffer.byteLength(recipeText) > mostTextBytes)
    throw new TerminalError('invalid_argument', `recipe_text: has more than ${mostTextBytes} bytes`);
  const recipePath = basename(request.recipePath) || 'recipe';
  const recipe = parseRecipe(
    recipeText,
    recipePath,
    set.map((text) => parseSetting(text)),
  );
  const matched = matchRecipe({ recipe, recipePath, set }, offered);
  const survey = { cacheFile: join(home, 'digests.json'), signal };
  const named = await surveyInputs(namedInputs(offered.recipe, offered.recipe_path), survey);
  const problems = ['problems' in matched ? matched.problems : [], missingInputs(inputs, named)].flat();
  if (problems.length > 0 || 'problems' in matched)
    throw new TerminalError(
      'failed_precondition',
      [`${recipePath} cannot run on this fleet, which was started for ${offered.recipe_path}:`, ...problems].join(
        '\n  ',
      ),
    );
  await requireLoaded(offered, matched.resolved.paths, survey);
  const directory = join(home, runId);
  await access(directory).then(
    () => {
      throw new TerminalError('already_exists', `run_id: '${runId}' is the name of an earlier run; choose another one`);
    },
    () => undefined,
  );
  const recipeJson = resolvedRecipeJson(matched.resolved);
  const asked = { runId, recipeJson, directory, resume: false, acceptChanged: [], priority, noQueue };
  return { ...(await registry.submit(asked, signal)), notes: [...matched.notes] };
}
