import { join } from 'node:path';
import type { SubmitRunRequest } from '#proto/coordinator/v1/coordinator_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { parseResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { foldLedger } from '#run/ledger/read-ledger.ts';
import { differences } from '#submission/match-recipe.ts';
import { readOffer } from '#submission/offered-recipe.ts';
import { requireLoaded } from '../runs/require-loaded.ts';
import { checkRunId, type RunRegistry, type Submitted } from '../runs/run-registry.ts';

export interface SubmitRunPlace {
  readonly nats: Nats;
  readonly registry: Pick<RunRegistry, 'submit'>;
  readonly home: string | undefined;
}

/**
 * Starts or resumes a run. One that is resumed by its id alone, as from another machine, has to fit what the fleet was started with: nobody else has compared
 * the two.
 */
export async function submitRun(
  { nats, registry, home }: SubmitRunPlace,
  request: SubmitRunRequest,
  signal: AbortSignal,
): Promise<Submitted> {
  const offered = request.resume && request.recipeJson === '' && home !== undefined ? await readOffer(home) : undefined;
  if (offered !== undefined && home !== undefined) {
    const { state } = await foldLedger(nats, checkRunId(request.runId), signal);
    if (state.recipeJson !== '') {
      const { recipe, paths } = parseResolvedRecipe(state.recipeJson);
      const problems = differences(recipe, offered.recipe);
      if (problems.length > 0)
        throw new TerminalError(
          'failed_precondition',
          [
            `run ${request.runId} cannot go on on this fleet, which was started for ${offered.recipe_path}:`,
            ...problems,
          ].join('\n  '),
        );
      await requireLoaded(offered, paths, { cacheFile: join(home, 'digests.json'), signal });
    }
  }
  return await registry.submit(request, signal);
}
