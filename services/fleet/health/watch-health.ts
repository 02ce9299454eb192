import { errorFrom } from '#platform/errors.ts';
import type { Probe } from './probe-service.ts';

export interface HealthWatchOptions {
  readonly probe: Probe;
  /** Silence after which the process counts as hung. */
  readonly hungAfterMs: number;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** It answers that it does not serve, for so long now. Said once, until it has served again. */
  readonly onNotServing: (forMs: number) => void;
}

export interface Silence {
  readonly silentMs: number;
  /** What the last question met. */
  readonly reason: string;
}

const mostEveryMs = 2_000;
const notServingAfterMs = 10_000;

/**
 * Asks again and again, and resolves once nothing has answered for `hungAfterMs`; undefined when `signal` aborts first.
 *
 * Silence is counted in our own ticks, each for its planned length at most: whatever time we were stopped or starved
 * ourselves is not held against the service. Questions overlap, and any answer to any of them ends the silence, however late
 * it comes: a slow machine makes answers late, a stuck process gives none.
 */
export async function watchHealth(options: HealthWatchOptions): Promise<Silence | undefined> {
  const { probe, hungAfterMs, signal, now, wait } = options;
  const everyMs = Math.min(mostEveryMs, hungAfterMs / 4);
  let silentMs = 0;
  /** Absent while it serves. */
  let notServingMs: number | undefined;
  let said = false;
  let reason = 'it does not answer';

  const ask = async (): Promise<void> => {
    try {
      const health = await probe.ask(hungAfterMs);
      silentMs = 0;
      if (health === 'serving') {
        notServingMs = undefined;
        said = false;
        return;
      }
      notServingMs ??= 0;
      if (notServingMs < notServingAfterMs || said) return;
      said = true;
      options.onNotServing(notServingMs);
    } catch (thrown) {
      reason = errorFrom(thrown).message;
    }
  };

  let lastMs = now();
  while (!signal.aborted) {
    void ask();
    try {
      await wait(everyMs, signal);
    } catch {
      // Aborted: nobody watches any more.
      return undefined;
    }
    const tickMs = Math.min(now() - lastMs, everyMs);
    lastMs = now();
    silentMs += tickMs;
    if (notServingMs !== undefined) notServingMs += tickMs;
    if (silentMs >= hungAfterMs) return { silentMs, reason };
  }
  return undefined;
}
