import { CancelledError, errorFrom } from '#platform/errors.ts';
import type { GradusError } from '#platform/errors.ts';
import type { RolloutTotals } from '#run/rollouts/accounting.ts';
import type { RunContext } from '../run-context.ts';
import { runLoop } from '../stages/run-loop.ts';
import type { RunEnd } from '../stages/run-loop.ts';
import type { RunDependencies, RunParts } from './start-run.ts';

/** Longest time for the last summary. */
const endMs = 60_000;

/**
 * Drives a run to its end and writes that down. Three ways lead out without an end in the ledger, and the run goes on elsewhere:
 * another coordinator leads it by now, it is handed over to one, or the end could not be written.
 */
export async function driveRun(
  context: RunContext,
  { files, leadership, runId }: RunParts,
  { events, running }: RunDependencies,
): Promise<void> {
  const { log, ledger } = context;
  let totals: RolloutTotals | undefined;
  const summarize = async (signal: AbortSignal): Promise<void> => {
    totals = await files.writeSummary(ledger.state, signal);
  };
  const end = await endOf(context, () => context.writeFolder(context.signal, () => summarize(context.signal)));
  await context.intake[Symbol.asyncDispose]();
  try {
    // Whatever ended it: who does not lead any more has nothing to say about the run.
    await leadership.verify();
    await ledger.append({ case: 'runEnded', value: { state: end.life, message: end.message } });
    const inTime = AbortSignal.timeout(endMs);
    if (end.life === 'stopped') await summarizeStopped(context, () => summarize(inTime));
    else await context.writeFolder(inTime, () => summarize(inTime));
    log.info({ ...end, ...totals }, 'the run has ended');
    await running.remove(runId, AbortSignal.timeout(10_000));
  } catch (thrown) {
    if (leadership.handedOver) log.info('the run is handed over to another coordinator');
    else if (leadership.lost.aborted) {
      events.leadershipLost();
      log.info({ err: errorFrom(leadership.lost.reason) }, 'another coordinator leads the run; this one leaves it');
    } else {
      // The ledger still says `running`: it can be taken over, or resumed.
      log.error({ err: errorFrom(thrown), ...end }, 'the end of the run could not be written');
    }
  }
  await files.close();
  events.rewardDiverges(runId, false);
  events.series.ended(runId);
  await leadership.release();
  context.progress.update({ message: end.message });
}

/** Nobody waits for room who wants the run to stop: without it the last summary stays, and the next one follows the resume. */
async function summarizeStopped({ log, directory }: RunContext, summarize: () => Promise<void>): Promise<void> {
  try {
    await summarize();
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (error.code !== 'resource_exhausted') throw error;
    log.warn({ err: error, directory }, "the run's folder has no room for its summary; make some, then resume the run");
  }
}

async function endOf(context: RunContext, summarize: () => Promise<void>): Promise<RunEnd> {
  try {
    return await runLoop(context, summarize);
  } catch (thrown) {
    const error: GradusError = errorFrom(thrown);
    if (context.stopSignal.aborted && error instanceof CancelledError)
      return { life: 'stopped', message: 'stopped on request; it can be resumed' };
    context.log.warn({ err: error }, 'the run cannot go on here');
    return { life: 'failed', message: error.message };
  }
}
