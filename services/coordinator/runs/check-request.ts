import { createHash } from 'node:crypto';
import { isAbsolute, join } from 'node:path';
import type { SubmitRunRequest } from '#proto/coordinator/v1/coordinator_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { parseChangeGroups } from '#recipe/inputs/changed-inputs.ts';
import type { InputChange } from '#recipe/inputs/changed-inputs.ts';
import { describeDifference } from '#recipe/compare-recipes.ts';
import { canonicalJson, parseResolvedRecipe, recipeHash } from '#recipe/resolve-recipe.ts';
import type { ResolvedRecipe } from '#recipe/resolve-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';
import { highestPriority, lowestPriority } from '#submission/contract.ts';
import { type RunState, requireResumable, withoutQueue } from '#run/ledger/run-state.ts';

/** What is asked for; a run that is taken over is resumed by its id. */
export type RunRequest = Pick<SubmitRunRequest, 'runId' | 'recipeJson' | 'directory' | 'resume' | 'acceptChanged'> &
  Partial<Pick<SubmitRunRequest, 'priority' | 'noQueue'>>;

export interface CheckedRequest {
  readonly resolved: ResolvedRecipe;
  /** Where the run's files lie. */
  readonly directory: string;
  /** The recipe, its paths or the directory are not those of the ledger. */
  readonly replaced: boolean;
  /** The recipe was edited since it was recorded; its tasks are the same. */
  readonly edit?: InputChange;
}

/** The state of a run; one that waits in the queue of another fleet, which has ended, is as if it had been stopped there. */
export function stateForFleet(state: RunState, fleetId: string): RunState {
  return state.queued?.fleetId === fleetId ? state : withoutQueue(state);
}

/** The recipe of a run that may be started or resumed as asked; throws what is wrong with the request. */
export function checkRequest(request: RunRequest, known: RunState): CheckedRequest {
  const { runId, directory } = request;
  parseChangeGroups(request.acceptChanged);
  checkPriority(request.priority);
  if (known.life === 'new') {
    if (request.resume)
      throw new TerminalError(
        'not_found',
        `run_id: there is no run '${runId}' to resume; gradus status lists the runs that are known`,
      );
    requireAbsolute(directory);
    const resolved = parseResolvedRecipe(request.recipeJson);
    return { resolved, directory, replaced: false };
  }
  if (!request.resume)
    throw new TerminalError(
      'already_exists',
      `run_id: '${runId}' is the name of an earlier run; choose another one, or resume it`,
    );
  if (known.life === 'queued')
    throw new TerminalError(
      'failed_precondition',
      `run_id: '${runId}' waits in the queue already, and begins by itself`,
    );
  requireResumable(runId, known.life, known.message);
  const recorded = parseResolvedRecipe(known.recipeJson);
  const hash = recipeHash(recorded.recipe);
  if (known.recipeHash !== hash) {
    throw new TerminalError(
      'failed_precondition',
      `run ${runId} was made by a version whose recipe hash differs (${known.recipeHash.slice(0, 12)}, now ${hash.slice(0, 12)}); resume it with that version`,
    );
  }
  const moved = isMoved(request, known);
  if (moved) requireAbsolute(directory);
  if (request.recipeJson === '' && !moved) return { resolved: recorded, directory: known.directory, replaced: false };
  return checkSubmitted(request, recorded, hash, moved ? directory : known.directory, moved);
}

function checkPriority(priority = 0): void {
  if (priority > highestPriority)
    throw new TerminalError(
      'invalid_argument',
      `priority: is ${priority}; it must be ${lowestPriority} to ${highestPriority}`,
    );
}

/** The files of the run lie elsewhere than its ledger says. */
function isMoved({ directory }: RunRequest, known: RunState): boolean {
  return directory !== '' && directory !== known.directory;
}

function requireAbsolute(directory: string): void {
  if (!isAbsolute(directory))
    throw new TerminalError('invalid_argument', `directory: '${directory}' must be an absolute path`);
}

/** The recipe as a run's recipe.json has it now, against the one in the ledger. */
function checkSubmitted(
  { runId, recipeJson }: RunRequest,
  recorded: ResolvedRecipe,
  hash: string,
  directory: string,
  moved: boolean,
): CheckedRequest {
  const submitted = parseResolvedRecipe(recipeJson);
  const differs = describeDifference(recorded.recipe, submitted.recipe);
  if (recipeHash(submitted.recipe) !== hash)
    throw new TerminalError(
      'failed_precondition',
      `recipe_json: differs from the recipe that run ${runId} was started with: ${differs}; its tasks follow from that, so it cannot go on ` +
        `with another one: start a new run, or restore the recorded one: gradus resume ${runId} --restore-recipe`,
    );
  const newPaths = canonicalJson(submitted.paths) !== canonicalJson(recorded.paths);
  return {
    resolved: submitted,
    directory,
    replaced: moved || newPaths || differs !== '',
    ...(differs !== '' && {
      edit: {
        group: 'recipe',
        name: 'recipe',
        path: join(directory, 'recipe.json'),
        recorded: contentOf(recorded.recipe),
        found: contentOf(submitted.recipe),
        detail: differs,
      },
    }),
  };
}

function contentOf(recipe: Recipe): { digest: string; bytes: number } {
  const text = canonicalJson(recipe);
  return { digest: createHash('sha256').update(text).digest('hex'), bytes: Buffer.byteLength(text) };
}
