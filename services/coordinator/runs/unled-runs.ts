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
  { events, running, log }: RunDependencies,
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
}

/**
 * Ends a run that nobody leads and nobody takes over as stopped: a request that is only remembered would be met by a run that goes
 * on. Throws `already_exists` when somebody leads it by now. What its workers still play is kept, and counts when it is resumed.
 */
export async function stopUnledRun(
  deps: RunDependencies,
  runId: string,
  { now, reason }: StopWish,
  signal: AbortSignal,
): Promise<void> {
  const { nats, self, running } = deps;
  const leadership = await claimLeadership(nats, { runId, ...self, fromEarlierSelf: false, waitMs: 0, signal });
  try {
    const writer = createLedgerWriter(nats, await foldLedger(nats, runId, signal));
    leadership.writeWith(writer);
    if (writer.state.life === 'running') {
      await writer.append({ case: 'stopRequested', value: { now, reason, holder: self.holder } });
      const { recipeJson, directory } = writer.state;
      const resolved = parseResolvedRecipe(recipeJson);
      const files = createRunFiles(nats, runId, directory, resolved, (caller) => leadership.confirm(caller));
      const message = 'stopped on request while no coordinator led it; it can be resumed';
      await endUnledRun(deps, writer, files, { state: 'stopped', message }, signal);
    } else await running.remove(runId, signal);
  } finally {
    await leadership.release();
  }
}
