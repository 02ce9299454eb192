import type { StopRunRequest } from '#proto/coordinator/v1/coordinator_pb.ts';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { CancelledError, cancelledFrom, errorFrom, throwIfCancelled } from '#platform/errors.ts';
import { leaseWaitMs } from '../leadership/leadership.ts';
import { askLeader } from '../leadership/ask-leader.ts';
import type { RunRegistry } from '../runs/run-registry.ts';
import type { DrivenRun } from '../runs/start-run.ts';

const pollMs = 200;
const maxReasonCharacters = 200;

/**
 * Answers once the request is in the ledger, or when the run has stopped; then it holds whatever dies. The request reaches the
 * leader wherever that is, and the next one when it dies over it. A run that waits in the queue, or that nobody leads and nobody takes over, is ended here.
 */
export async function stopRun(
  registry: RunRegistry,
  asked: StopRunRequest,
  signal: AbortSignal,
): Promise<{ state: RunState }> {
  const request = { ...asked, reason: asked.reason.slice(0, maxReasonCharacters) };
  const { runId, noWait } = request;
  let recorded = false;
  let unledMs: number | undefined;
  for (;;) {
    const run = registry.driven(runId);
    if (run !== undefined && !recorded) recorded = await record(run, request, signal);
    if (run !== undefined && recorded && !noWait) {
      await Promise.race([run.ended, aborted(signal)]);
      throwIfCancelled(signal);
    }
    if (!registry.isStarting(runId)) {
      const { state = RunState.UNSPECIFIED } = await registry.status(runId, signal);
      if (state === RunState.QUEUED) {
        await stopUnled();
        await sleep(pollMs, signal);
        continue;
      }
      if (state !== RunState.RUNNING && state !== RunState.INTERRUPTED) return { state };
      const leader = recorded ? undefined : await registry.leader(runId, signal);
      const answer =
        leader &&
        (await askLeader(leader, registry.security, signal, (client, call) =>
          client.stopRun({ ...request, noWait: true }, call),
        ));
      if (answer?.state === RunState.RUNNING) recorded = true;
      if (recorded && noWait) return { state: RunState.RUNNING };
      if (recorded && state === RunState.RUNNING) unledMs = undefined;
      else unledMs ??= performance.now();
    }
    if (unledMs !== undefined && performance.now() - unledMs > leaseWaitMs) await stopUnled();
    await sleep(pollMs, signal);
  }

  async function stopUnled(): Promise<void> {
    try {
      await registry.stopUnled(runId, request, signal);
    } catch (thrown) {
      // Somebody has just taken it over, and is asked next.
      if (errorFrom(thrown).code !== 'already_exists') throw thrown;
    }
  }
}

/** False when another coordinator leads the run by now. */
async function record(run: DrivenRun, request: StopRunRequest, signal: AbortSignal): Promise<boolean> {
  try {
    await Promise.race([run.requestStop(request), aborted(signal)]);
    return true;
  } catch (thrown) {
    throwIfCancelled(signal);
    if (thrown instanceof CancelledError) return false;
    throw thrown;
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(cancelledFrom(signal.reason)), { once: true });
  });
}
