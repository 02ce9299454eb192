import type { FaultRecord } from './recovery-table.ts';

/** From and until, in Unix milliseconds. */
export type Interval = readonly [fromMs: number, toMs: number];

/** A time in which a run made no progress. */
export interface Stall {
  readonly fromMs: number;
  readonly toMs: number;
  /** Its longest part that the harness is not itself the reason of: nothing heals before a resume, or on a full disk. */
  readonly stallMs: number;
  /** Numbers of the faults that it lies in; without any, the last one before it. */
  readonly faults: readonly number[];
}

/** Shorter ones are the ordinary rhythm of a run. */
const leastMs = 1_000;

/** Times of a run in which nothing that restarts itself could heal. */
export function excusedTimes(faults: readonly FaultRecord[]): readonly Interval[] {
  return faults.flatMap(({ atMs, excusedUntilMs }): Interval[] =>
    excusedUntilMs === undefined ? [] : [[atMs, excusedUntilMs]],
  );
}

/**
 * Every time of a second and more between two signs of progress, longest first. `progress` are the times of storing them,
 * in any order; `excused` are those in which no restart could heal. Pure.
 */
export function findStalls(
  progress: readonly number[],
  faults: readonly FaultRecord[],
  excused: readonly Interval[] = excusedTimes(faults),
): readonly Stall[] {
  const times = progress.toSorted((a, b) => a - b);
  const found: Stall[] = [];
  for (const [index, toMs] of times.entries()) {
    const fromMs = times[index - 1] ?? toMs;
    const stallMs = longestOutside([fromMs, toMs], excused);
    if (stallMs >= leastMs) found.push({ fromMs, toMs, stallMs, faults: activeIn([fromMs, toMs], faults) });
  }
  return found.toSorted((a, b) => b.stallMs - a.stallMs);
}

/** Of a span what is left over, without the parts that are excused: the longest piece. */
export function longestOutside([fromMs, toMs]: Interval, excused: readonly Interval[]): number {
  let at = fromMs;
  let longest = 0;
  for (const [from, to] of excused.toSorted((a, b) => a[0] - b[0])) {
    if (to <= at || from >= toMs) continue;
    longest = Math.max(longest, from - at);
    at = Math.max(at, to);
  }
  return Math.max(longest, toMs - at);
}

function activeIn([fromMs, toMs]: Interval, faults: readonly FaultRecord[]): number[] {
  const active = faults.filter(({ atMs, fromMs: healsFromMs, recoveredMs }) => {
    const untilMs = healsFromMs + (recoveredMs ?? Infinity);
    return atMs < toMs && untilMs > fromMs;
  });
  if (active.length > 0) return active.map(({ number }) => number);
  const before = faults.filter(({ atMs }) => atMs < fromMs).toSorted((a, b) => b.atMs - a.atMs)[0];
  return before === undefined ? [] : [before.number];
}

/** Stalls that break P10, in words. */
export function stallFindings(
  stalls: readonly Stall[],
  faults: readonly FaultRecord[],
  longestMs: number,
): readonly string[] {
  return stalls
    .filter(({ stallMs }) => stallMs > longestMs)
    .map(({ fromMs, stallMs, faults: numbers }) => {
      const named = faults.filter(({ number }) => numbers.includes(number));
      const what = named.map(({ number, action, label }) => `${number} (${action}, ${label})`).join(', ');
      return `stall: no progress for ${(stallMs / 1000).toFixed(1)} s from ${clock(fromMs)} on; ${what === '' ? 'before any fault' : `faults: ${what}`}`;
    });
}

function clock(unixMs: number): string {
  return new Date(unixMs).toISOString().slice(11, 19);
}
