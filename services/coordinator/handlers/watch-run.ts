import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { sleep } from '#shared/async/sleep.ts';
import type { RunRegistry } from '../runs/run-registry.ts';
import type { RunStatusInit } from '../runs/run-status.ts';

/** At most ten snapshots a second. */
const leastGapMs = 100;
/** Also without news, so that elapsed and remaining time go on. */
const mostGapMs = 1000;
/** Between two looks at a run that another coordinator leads, or nobody. */
const elsewhereMs = 500;

/** Snapshots of a run until it has ended, whoever leads it. */
export async function* watchRun(
  registry: RunRegistry,
  runId: string,
  signal: AbortSignal,
): AsyncGenerator<RunStatusInit, void, undefined> {
  for (;;) {
    const run = registry.driven(runId);
    const status = await registry.status(runId, signal);
    yield status;
    if (status.state !== RunState.RUNNING && status.state !== RunState.INTERRUPTED) return;
    if (run === undefined) {
      await sleep(elsewhereMs, signal);
      continue;
    }
    await sleep(leastGapMs, signal);
    if (registry.driven(runId) === run) await run.board.changed(mostGapMs - leastGapMs, signal);
  }
}
