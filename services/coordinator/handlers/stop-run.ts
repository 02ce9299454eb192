import type { StopRunRequest } from '#proto/coordinator/v1/coordinator_pb.ts';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { sleep } from '#shared/async/sleep.ts';
import { cancelledFrom, throwIfCancelled } from '#shared/errors.ts';
import { leasePatienceMs } from '../runs/leadership.ts';
import { askLeader } from '../runs/ask-leader.ts';
import type { RunRegistry } from '../runs/run-registry.ts';

const pollMs = 200;
/** The leader's own answer comes when the run has stopped; the caller's deadline bounds it. */
const longestStopMs = 24 * 3_600_000;

/**
 * Answers when the run has stopped; its state can be asked for meanwhile. The request reaches the leader wherever that is, and
 * the next one when it dies over it. A run that nobody leads and nobody takes over is left as it is.
 */
export async function stopRun(
  registry: RunRegistry,
  request: StopRunRequest,
  signal: AbortSignal,
): Promise<{ state: RunState }> {
  let leaderlessMs: number | undefined;
  for (;;) {
    const { runId } = request;
    const run = registry.driven(runId);
    if (run !== undefined) {
      run.stop(request.now);
      await Promise.race([run.ended, aborted(signal)]);
      throwIfCancelled(signal);
    }
    const { state = RunState.UNSPECIFIED } = await registry.status(runId, signal);
    if (state !== RunState.RUNNING && state !== RunState.INTERRUPTED) return { state };
    const leader = await registry.leader(runId, signal);
    const answer =
      leader && (await askLeader(leader, signal, (client, call) => client.stopRun(request, call), longestStopMs));
    if (answer !== undefined && answer.state !== RunState.INTERRUPTED) return answer;
    leaderlessMs ??= performance.now();
    if (performance.now() - leaderlessMs > leasePatienceMs) return { state };
    await sleep(pollMs, signal);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(cancelledFrom(signal.reason)), { once: true });
  });
}
