import { errorFrom } from '#platform/errors.ts';
import type { RunFiles } from '../files/run-files.ts';
import type { FencedWriter } from '../ledger-writer.ts';
import type { RunDependencies, StopWish } from './start-run.ts';
import { parseResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { createRunFiles } from '../files/run-files.ts';
import { foldLedger } from '#run/ledger/read-ledger.ts';
import { createLedgerWriter } from '../ledger-writer.ts';
import { claimLeadership } from '../leadership/leadership.ts';

export interface UnledEnd {
  readonly state: 'failed' | 'stopped';
  readonly message: string;
}

/**
 * Ends a run that nobody drives: in its ledger, and in the summary that `gradus status` shows. The ledger decides: a summary that
 * cannot be written is reported, and the run has ended all the same.
 */
export async function endUnledRun(
  { events, running, waiting, log }: RunDependencies,
  writer: FencedWriter,
  files: Pick<RunFiles, 'writeSummary'>,
  value: UnledEnd,
  signal: AbortSignal,
): Promise<void> {
  const { runId } = writer.state;
  await writer.append({ case: 'runEnded', value });
  events.ledgerEntry('runEnded');
  try {
    await files.writeSummary(writer.state, signal);
  } catch (thrown) {
    log.warn(
      { err: errorFrom(thrown), run: runId, ...value },
      'the summary of a run that has ended could not be written',
    );
  }
  await running.remove(runId, signal);
  await waiting.remove(runId, signal);
}

/**
 * Ends a run that nobody leads and nobody takes over as stopped, or takes it out of the queue: a request that is only remembered would be met by a run
 * that goes on. Throws `already_exists` when somebody leads it by now. What its workers still play is kept, and counts when it is resumed.
 */
export async function stopUnledRun(
  deps: RunDependencies,
  runId: string,
  { now, reason }: StopWish,
  signal: AbortSignal,
): Promise<void> {
  await endWith(deps, runId, signal, async (writer) => {
    switch (writer.state.life) {
      case 'queued':
        return {
          state: 'stopped',
          message: `cancelled in the queue${reason === '' ? '' : ` (${reason})`}; it can be resumed`,
        };
      case 'running':
        await writer.append({ case: 'stopRequested', value: { now, reason, holder: deps.self.holder } });
        return { state: 'stopped', message: 'stopped on request while no coordinator led it; it can be resumed' };
      default:
        return undefined;
    }
  });
}

/** Takes a run out of the queue that cannot begin as it is. */
export async function endWaitingRun(
  deps: RunDependencies,
  runId: string,
  why: string,
  signal: AbortSignal,
): Promise<void> {
  await endWith(deps, runId, signal, async ({ state }) =>
    state.life === 'queued' ? { state: 'failed', message: `it could not begin: ${why}` } : undefined,
  );
}

/** Undefined from `decide`: it has ended, and is taken out of the indexes. */
async function endWith(
  deps: RunDependencies,
  runId: string,
  signal: AbortSignal,
  decide: (writer: FencedWriter) => Promise<UnledEnd | undefined>,
): Promise<void> {
  const { nats, self, running, waiting } = deps;
  const leadership = await claimLeadership(nats, { runId, ...self, fromEarlierSelf: false, waitMs: 0, signal });
  try {
    const writer = createLedgerWriter(nats, await foldLedger(nats, runId, signal));
    leadership.writeWith(writer);
    const end = await decide(writer);
    if (end === undefined) {
      await running.remove(runId, signal);
      await waiting.remove(runId, signal);
      return;
    }
    const { recipeJson, directory } = writer.state;
    const resolved = parseResolvedRecipe(recipeJson);
    const files = createRunFiles(nats, runId, directory, resolved, (caller) => leadership.confirm(caller));
    await endUnledRun(deps, writer, files, end, signal);
  } finally {
    await leadership.release();
  }
}
