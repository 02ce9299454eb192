import { setTimeout as delay } from 'node:timers/promises';
import { cancelledFrom, throwIfCancelled } from '../errors.ts';

/** Waits `milliseconds`; throws `CancelledError` as soon as the signal aborts. */
export async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  throwIfCancelled(signal);
  try {
    await delay(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throw signal?.aborted === true ? cancelledFrom(signal.reason) : error;
  }
}

/**
 * Waits for work that cannot be interrupted, at most until the signal aborts; then rejects with its `CancelledError` while the
 * work goes on unobserved. Bound such work by other means.
 */
export function untilCancelled<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(cancelledFrom(signal.reason));
    const settled = (): void => signal.removeEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    // Anyone who abandoned the work does not hear of its failure: a promise settles once.
    work.then(
      (value) => (settled(), resolve(value)),
      (error: unknown) => (settled(), reject(error)),
    );
  });
}
