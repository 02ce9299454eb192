import { untilCancelled } from '#platform/async/sleep.ts';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { TransientError, cancelledFrom } from '#platform/errors.ts';

/** Ends `work` after `milliseconds`, also where it does not heed its signal: TransientError('unavailable') that names `what`. CancelledError with `parent`. */
export async function within<T>(
  parent: AbortSignal,
  milliseconds: number,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  using deadline = deadlineSignal(parent, milliseconds, what);
  const { signal } = deadline;
  try {
    return await untilCancelled(work(signal), signal);
  } catch (thrown) {
    if (!signal.aborted || parent.aborted) throw thrown;
    throw new TransientError('unavailable', cancelledFrom(signal.reason).message, { cause: thrown });
  }
}
