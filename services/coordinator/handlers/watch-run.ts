import { sleep } from '#platform/async/sleep.ts';
import { hasEnded } from '#run/live-status.ts';
import type { RunRegistry } from '../runs/run-registry.ts';
import type { RunStatusInit } from '../runs/run-status.ts';

/** At most ten snapshots a second. */
const leastGapMs = 100;
/** Also without news, so that elapsed and remaining time go on. */
const mostGapMs = 1000;
/** Between two looks at a run that another coordinator leads, or nobody. */
const elsewhereMs = 500;

/**
 * Snapshots of a run until it has ended, regardless of which coordinator leads it. The end is reported when the leader has let go of the run: its files are
 * written by then, and it can be resumed.
 */
export async function* watchRun(
  registry: Pick<RunRegistry, 'driven' | 'status' | 'own' | 'leader'>,
  runId: string,
  signal: AbortSignal,
): AsyncGenerator<RunStatusInit, void, undefined> {
  for (;;) {
    const run = registry.driven(runId);
    const status = await registry.status(runId, signal);
    const isOver = hasEnded(status);
    const isHeld = registry.own().includes(runId) || (isOver && (await registry.leader(runId, signal)) !== undefined);
    if (!isOver || !isHeld) yield status;
    if (isOver && !isHeld) return;
    if (run === undefined) {
      await sleep(elsewhereMs, signal);
      continue;
    }
    await sleep(leastGapMs, signal);
    if (registry.driven(runId) === run) await run.liveProgress.changed(mostGapMs - leastGapMs, signal);
  }
}
