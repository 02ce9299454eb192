import { setTimeout as delay } from 'node:timers/promises';

/** Calls `look`, which does not throw, every so often until `signal` aborts. Files that are watched keep no process alive. */
export function lookAgain(everyMs: number, signal: AbortSignal, look: () => Promise<void>): void {
  void (async () => {
    while (!signal.aborted) {
      await delay(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (!signal.aborted) await look();
    }
  })();
}
