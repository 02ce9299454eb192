import { isAbsolute } from 'node:path';
import type { SubmitRunRequest } from '#proto/coordinator/v1/coordinator_pb.ts';
import { TerminalError } from '#shared/errors.ts';
import { parseResolvedRecipe, recipeHash } from '#shared/recipe/resolve-recipe.ts';
import type { ResolvedRecipe } from '#shared/recipe/resolve-recipe.ts';
import { unsupportedParts } from '#shared/recipe/unsupported-parts.ts';
import type { RunState } from '../ledger/run-state.ts';

/** What is asked for; a run that is taken over is resumed by its id. */
export type RunRequest = Pick<SubmitRunRequest, 'runId' | 'recipeJson' | 'directory' | 'resume'>;

/** The recipe of a run that may be started or resumed as asked; throws what is wrong with the request. */
export function checkRequest(request: RunRequest, known: RunState): ResolvedRecipe {
  const { runId } = request;
  if (known.life === 'new') {
    if (request.resume)
      throw new TerminalError(
        'not_found',
        `run_id: there is no run '${runId}' to resume; gradus status lists the runs that are known`,
      );
    if (!isAbsolute(request.directory))
      throw new TerminalError('invalid_argument', `directory: '${request.directory}' must be an absolute path`);
    const resolved = parseResolvedRecipe(request.recipeJson);
    const missing = unsupportedParts(resolved.recipe);
    if (missing.length > 0) throw new TerminalError('failed_precondition', `recipe: ${missing.join('; ')}`);
    return resolved;
  }
  if (!request.resume)
    throw new TerminalError(
      'already_exists',
      `run_id: '${runId}' is the name of an earlier run; choose another one, or resume it`,
    );
  if (known.life === 'finished')
    throw new TerminalError('failed_precondition', `run '${runId}' is finished; there is nothing to resume`);
  const resolved = parseResolvedRecipe(known.recipeJson);
  const hash = recipeHash(resolved.recipe);
  if (known.recipeHash !== hash) {
    throw new TerminalError(
      'failed_precondition',
      `run ${runId} was made by a version whose recipe hash differs (${known.recipeHash.slice(0, 12)}, now ${hash.slice(0, 12)}); resume it with that version`,
    );
  }
  return isMoved(request, known) ? checkMove(request, hash) : resolved;
}

/** The files of the run lie elsewhere than its ledger says. */
export function isMoved({ directory }: RunRequest, known: RunState): boolean {
  return known.life !== 'new' && directory !== '' && directory !== known.directory;
}

function checkMove({ runId, recipeJson, directory }: RunRequest, hash: string): ResolvedRecipe {
  if (!isAbsolute(directory))
    throw new TerminalError('invalid_argument', `directory: '${directory}' must be an absolute path`);
  const moved = parseResolvedRecipe(recipeJson);
  if (recipeHash(moved.recipe) !== hash)
    throw new TerminalError(
      'invalid_argument',
      `recipe_json: differs from the recipe that run ${runId} was started with; only its paths may be new`,
    );
  return moved;
}
