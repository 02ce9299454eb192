import type { Logger } from '../telemetry/logging.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Something that is waited for, with everything that names it to a person. */
export interface Wait<W extends string> {
  /** The kind of wait, from a closed set: it is a label of a metric. */
  readonly what: W;
  /** Id of what waits: a task, a group, a run. */
  readonly subject: string;
  /** More for people, for example `turn 3`. */
  readonly detail?: string | undefined;
  /** Longest time that is in order; after it the wait is overdue. It is ended by its own deadline, not from here. */
  readonly expectedMs: number;
}

export interface PendingWait<W extends string = string> {
  readonly what: W;
  readonly subject: string;
  readonly detail: string;
  readonly waitedMs: number;
  readonly expectedMs: number;
}

export interface Watchdog<W extends string> {
  /** Begins a wait; dispose the result when it is over, however it ended. */
  begin(wait: Wait<W>): Disposable;
  /** Oldest first, at most `limit`. */
  pending(limit: number): PendingWait<W>[];
  /** Those that are overdue, the longest overdue first, at most `limit`. */
  overdue(limit: number): PendingWait<W>[];
  /** Logs and counts what has become overdue since. To be called about once a second. */
  check(): void;
}

export interface WatchdogOptions<W extends string> {
  /** Who waits, from a closed set: it is a label of a metric. */
  readonly component: string;
  /** Every kind of wait, so that the metric has its series from the start. */
  readonly whats: readonly W[];
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Waits that are watched at once; one more is waited for all the same, unwatched, and counted. */
  readonly maxWaits: number;
  /** Monotonic, in milliseconds. */
  readonly now?: () => number;
}

interface Entry<W extends string> extends Disposable {
  readonly wait: Wait<W>;
  readonly sinceMs: number;
  /** Age at which it is logged next; doubles each time, so that what hangs forever does not fill the log. */
  nextLogMs: number;
}

/**
 * Knows what a process waits for. Every wait has a deadline of its own; this says which one is late long before that, with
 * component, subject and age.
 *
 *     pending --expectedMs--> overdue (counted, logged) --2x, 4x, … expectedMs--> logged again
 *        '--------------------------'--disposed--> forgotten
 */
export function createWatchdog<W extends string>(options: WatchdogOptions<W>): Watchdog<W> {
  const { component, log, maxWaits } = options;
  const now = options.now ?? (() => performance.now());
  const overdueTotal = options.metrics.counter('gradus_waits_overdue_total', 'Waits that took longer than expected.', [
    'component',
    'what',
  ]);
  const unwatched = options.metrics.counter('gradus_waits_unwatched_total', 'Waits that no room was left to watch.', [
    'component',
  ]);
  for (const what of options.whats) overdueTotal.inc({ component, what }, 0);
  // In the order in which they began.
  const entries = new Set<Entry<W>>();

  function described(entry: Entry<W>): PendingWait<W> {
    const { what, subject, detail = '', expectedMs } = entry.wait;
    return { what, subject, detail, expectedMs, waitedMs: Math.max(0, Math.round(now() - entry.sinceMs)) };
  }

  function begin(wait: Wait<W>): Disposable {
    if (entries.size >= maxWaits) {
      unwatched.inc({ component });
      return { [Symbol.dispose]() {} };
    }
    const entry: Entry<W> = {
      wait,
      sinceMs: now(),
      nextLogMs: wait.expectedMs,
      [Symbol.dispose]: () => void entries.delete(entry),
    };
    entries.add(entry);
    return entry;
  }

  return {
    begin,
    pending(limit) {
      const oldest: PendingWait<W>[] = [];
      for (const entry of entries) {
        if (oldest.length >= limit) break;
        oldest.push(described(entry));
      }
      return oldest;
    },
    overdue(limit) {
      return [...entries]
        .map(described)
        .filter(({ waitedMs, expectedMs }) => waitedMs > expectedMs)
        .sort((a, b) => b.waitedMs - b.expectedMs - (a.waitedMs - a.expectedMs))
        .slice(0, limit);
    },
    check() {
      for (const entry of entries) {
        const waitedMs = now() - entry.sinceMs;
        if (waitedMs <= entry.nextLogMs) continue;
        const { what, expectedMs } = entry.wait;
        if (entry.nextLogMs === expectedMs) overdueTotal.inc({ component, what });
        // One line even when several steps were passed at once.
        while (entry.nextLogMs < waitedMs) entry.nextLogMs = Math.max(1, entry.nextLogMs * 2);
        log.warn({ component, ...described(entry) }, 'a wait is overdue');
      }
    },
  };
}

const checkIntervalMs = 1_000;

/** `createWatchdog`, checked once a second until disposed. */
export function startWatchdog<W extends string>(options: WatchdogOptions<W>): Watchdog<W> & Disposable {
  const watchdog = createWatchdog(options);
  const timer = setInterval(() => watchdog.check(), checkIntervalMs);
  timer.unref();
  return { ...watchdog, [Symbol.dispose]: () => clearInterval(timer) };
}
