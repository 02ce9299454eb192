import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { RunStatus } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { sleep } from '#shared/async/sleep.ts';
import { TransientError, errorFrom } from '#shared/errors.ts';
import type { GrpcClient } from '#shared/grpc/client.ts';

export type CoordinatorClient = GrpcClient<typeof CoordinatorService>;

/** Runs can take days: the stream is opened again rather than held for ever. */
const streamTimeoutMs = 3_600_000;
const reconnectMs = 500;
/** How long a coordinator may be away (it is being restarted) before we stop waiting for it. */
const patienceMs = 120_000;

export function hasEnded(status: Pick<RunStatus, 'state'>): boolean {
  return status.state === RunState.STOPPED || status.state === RunState.FINISHED || status.state === RunState.FAILED;
}

/** Statuses of a run until it ends, across restarts of the coordinator. Gives the last one. */
export async function followRun(
  client: CoordinatorClient,
  runId: string,
  signal: AbortSignal,
  onStatus: (status: RunStatus) => void,
): Promise<RunStatus> {
  let lastSeenMs = performance.now();
  for (;;) {
    try {
      for await (const status of client.watchRun({ runId }, { signal, timeoutMs: streamTimeoutMs })) {
        lastSeenMs = performance.now();
        onStatus(status);
        if (hasEnded(status)) return status;
      }
      const status = await client.getRun({ runId }, { signal });
      if (hasEnded(status)) return status;
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (signal.aborted) throw error;
      const isReopened = error.code === 'deadline_exceeded';
      // A coordinator that has just come back may not have read the run's ledger yet.
      const isAway = error instanceof TransientError || error.code === 'not_found' || error.code === 'cancelled';
      if (!isReopened && !isAway) throw error;
      if (performance.now() - lastSeenMs > patienceMs) throw error;
    }
    await sleep(reconnectMs, signal);
  }
}
