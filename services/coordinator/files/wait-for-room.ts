import type { Logger } from '#platform/telemetry/logging.ts';
import type { RunProgress } from '../watches/run-progress.ts';
import { callWithRetries } from '../sessions/call-with-retries.ts';

export interface RoomWaiter {
  /** The run's. */
  readonly directory: string;
  readonly progress: Pick<RunProgress, 'update'>;
  readonly log: Pick<Logger, 'warn'>;
  /** Ends the wait: the run is asked to stop. */
  readonly stop: AbortSignal;
}

/** What is said while the run's folder has no room. */
export function sayNoRoom({ directory, progress, log }: Omit<RoomWaiter, 'stop'>, err: Error): void {
  log.warn({ err, directory }, "the run's folder has no room; the run waits for some");
  progress.update({ message: `waiting for room in ${directory}: ${err.message}` });
}

/** Writes to the run's folder; a full disk is waited for, nothing else, and that is said once. */
export async function waitForRoom(waiter: RoomWaiter, signal: AbortSignal, write: () => Promise<void>): Promise<void> {
  let waits = false;
  const onRetry = (error: Error): void => {
    if (!waits) sayNoRoom(waiter, error);
    waits = true;
  };
  await callWithRetries({ totalMs: 0, stop: waiter.stop, onRetry }, signal, write);
  if (waits) waiter.progress.update({ message: '' });
}
