import { errorFrom } from '#platform/errors.ts';
import { recipeHash } from '#recipe/resolve-recipe.ts';
import { foldLedger } from '#run/ledger/read-ledger.ts';
import { changesPolicy } from '#stages/kit/kinds.ts';
import { createRunFiles } from '../files/run-files.ts';
import { claimLeadership, leaseWaitMs } from '../leadership/leadership.ts';
import { createLedgerWriter } from '../ledger-writer.ts';
import { checkInputs } from '../runs/check-inputs.ts';
import { checkRequest, stateForFleet, type RunRequest } from '../runs/check-request.ts';
import type { RunDependencies } from '../runs/start-run.ts';

/**
 * Writes down that a run waits, with all that it will begin with: from then on it waits whatever dies. Throws what is wrong with the request or its
 * files, as its start would.
 */
export async function queueRun(deps: RunDependencies, request: RunRequest, signal: AbortSignal): Promise<void> {
  const { nats, self, waiting, log } = deps;
  const { fleetId } = deps.config;
  const { runId, acceptChanged } = request;
  const leadership = await claimLeadership(nats, {
    runId,
    ...self,
    fromEarlierSelf: false,
    waitMs: leaseWaitMs,
    signal,
  });
  try {
    const known = await foldLedger(nats, runId, signal);
    const state = stateForFleet(known.state, fleetId);
    const checked = checkRequest(request, state);
    const { resolved, directory } = checked;
    const { refusal, inputs, recorded } = await checkInputs({ ...request, takenOver: false }, checked, state, signal);
    if (refusal !== undefined) throw refusal;
    const priority = request.priority || state.priority;
    // Before the ledger has it: an entry too much is removed by whoever looks, one that lacks would never begin.
    await waiting.add({ runId, priority, changesPolicy: changesPolicy(resolved.recipe) }, signal);
    const writer = createLedgerWriter(nats, known);
    await writer.append({
      case: 'runQueued',
      value: {
        recipeJson: request.recipeJson,
        directory: request.directory,
        recipeHash: recipeHash(resolved.recipe),
        seed: BigInt(resolved.recipe.seed),
        fleetId,
        inputs: state.begun ? [] : recorded,
        priority,
        acceptChanged,
      },
    });
    deps.events.ledgerEntry('runQueued');
    const files = createRunFiles(nats, runId, directory, { ...resolved, inputs }, (caller) =>
      leadership.confirm(caller),
    );
    try {
      await files.restore(signal);
      await files.writeSummary(writer.state, signal);
    } catch (thrown) {
      log.warn(
        { err: errorFrom(thrown), run: runId },
        'the folder of a run that waits could not be written; it will be when the run begins',
      );
    } finally {
      await files.close();
    }
  } finally {
    await leadership.release();
  }
}
