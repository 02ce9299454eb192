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
