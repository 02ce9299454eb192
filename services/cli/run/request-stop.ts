import type { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { CancelledError, TransientError, errorFrom, throwIfCancelled, type GradusError } from '#platform/errors.ts';
import { retry } from '#platform/async/retry.ts';
import type { Coordinators } from './coordinators.ts';

export interface StopRequest {
  readonly runId: string;
  readonly now: boolean;
  /** For people, in the run's ledger. */
  readonly reason: string;
}

export interface StopOptions {
  readonly signal?: AbortSignal | undefined;
  /** Longest time that no coordinator may take the request. Default 60 s: a dead one is restarted, or its run taken over, within seconds. */
  readonly withinMs?: number | undefined;
  /** Called once, when the first try failed. */
  readonly onRetry?: ((error: Error, withinMs: number) => void) | undefined;
}

/** Longer than a coordinator needs to find out that nobody leads a run. */
const callTimeoutMs = 10_000;

/**
 * Asks a run to stop until a coordinator has written that into its ledger: then it holds whatever dies. Gives the run's state,
 * RUNNING while it comes to its end. One that dies over the request is followed by another one, which is asked again.
 */
export async function requestStop(
  coordinators: Coordinators,
  { runId, now, reason }: StopRequest,
  { signal, withinMs = 60_000, onRetry }: StopOptions = {},
): Promise<RunState> {
  const call = { timeoutMs: callTimeoutMs, signal };
  const passes = (error: GradusError) => error instanceof TransientError || error instanceof CancelledError;
  try {
    const send = () => coordinators.ask((client) => client.stopRun({ runId, now, noWait: true, reason }, call));
    const { state } = await retry(send, {
      signal,
      withinMs,
      baseMs: 500,
      maxMs: 500,
      mayPass: (error) => signal?.aborted !== true && passes(error),
      onRetry(error, attempt) {
        if (attempt === 1) onRetry?.(error, withinMs);
        coordinators.next();
      },
    });
    return state;
  } catch (thrown) {
    throwIfCancelled(signal);
    const error = errorFrom(thrown);
    if (!passes(error)) throw error;
    throw new TransientError(
      'unavailable',
      `no coordinator took the request to stop run ${runId} within ${Math.round(withinMs / 1000)} s (last: ${error.message}); ` +
        'the run may go on: ask again, or stop the fleet',
      { cause: error },
    );
  }
}
