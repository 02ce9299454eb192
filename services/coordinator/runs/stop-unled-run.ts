import { parseResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { createRunFiles } from '../files/run-files.ts';
import { createLedgerWriter, foldLedger } from '#run/ledger/ledger-stream.ts';
import { endUnledRun } from './end-unled-run.ts';
import { claimLeadership } from '../leadership/leadership.ts';
import type { RunDependencies, StopWish } from './start-run.ts';

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
  const leadership = await claimLeadership(nats, { runId, ...self, fromEarlierSelf: false, patienceMs: 0, signal });
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
