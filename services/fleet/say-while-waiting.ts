import { sleep } from '#platform/async/sleep.ts';

const everyMs = 15_000;

/** Says how long `work` has taken, again and again until it is over. */
export async function sayWhileWaiting<T>(
  work: Promise<T>,
  say: (forMs: number) => void,
  wait: (milliseconds: number, signal: AbortSignal) => Promise<void> = sleep,
): Promise<T> {
  const over = new AbortController();
  const sayUntil = async (): Promise<void> => {
    for (let forMs = everyMs; ; forMs += everyMs) {
      await wait(everyMs, over.signal);
      say(forMs);
    }
  };
  // Its wait is cut when the work is over.
  sayUntil().catch(() => undefined);
  try {
    return await work;
  } finally {
    over.abort();
  }
}
