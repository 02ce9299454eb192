import { cancelledFrom } from '../errors.ts';

/**
 * Waits for work that cannot be interrupted, at most until the signal aborts; then throws its `CancelledError` while the
 * work goes on unobserved. Bound such work by other means.
 */
export async function untilCancelled<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  const { promise: cancelled, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(cancelledFrom(signal.reason));
  // Whoever abandoned the work does not hear of its failure; without a handler it would end the process.
  work.catch(() => {});
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([cancelled, work]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
