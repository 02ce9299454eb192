import type { StopRunRequest } from '#proto/coordinator/v1/coordinator_pb.ts';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { cancelledFrom, throwIfCancelled } from '#shared/errors.ts';
import type { RunRegistry } from '../runs/run-registry.ts';

/** Answers when the run has stopped; its state can be asked for meanwhile. A run that is not driven is left as it is. */
export async function stopRun(
  registry: RunRegistry,
  request: StopRunRequest,
  signal: AbortSignal,
): Promise<{ state: RunState }> {
  const run = registry.driven(request.runId);
  if (run === undefined) {
    const status = await registry.status(request.runId, signal);
    return { state: status.state ?? RunState.UNSPECIFIED };
  }
  run.stop(request.now);
  await Promise.race([run.ended, aborted(signal)]);
  throwIfCancelled(signal);
  const status = await registry.status(request.runId, signal);
  return { state: status.state ?? RunState.UNSPECIFIED };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(cancelledFrom(signal.reason)), { once: true });
  });
}
