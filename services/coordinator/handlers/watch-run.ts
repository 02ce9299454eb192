import { sleep } from '#shared/async/sleep.ts';
import type { RunRegistry } from '../runs/run-registry.ts';
import type { RunStatusInit } from '../runs/run-status.ts';

/** At most ten snapshots a second. */
const leastGapMs = 100;
/** Also without news, so that elapsed and remaining time go on. */
const mostGapMs = 1000;

/** Snapshots of a run until it has ended; of a run that is not driven, just one. */
export async function* watchRun(
  registry: RunRegistry,
  runId: string,
  signal: AbortSignal,
): AsyncGenerator<RunStatusInit, void, undefined> {
  for (;;) {
    const run = registry.driven(runId);
    yield await registry.status(runId, signal);
    if (run === undefined) return;
    await sleep(leastGapMs, signal);
    if (registry.driven(runId) === run) await run.board.changed(mostGapMs - leastGapMs, signal);
  }
}
