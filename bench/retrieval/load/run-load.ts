/**
 * Calls from many clients at once. Closed: each client has one call under way and begins the next when it ends. Paced:
 * calls are due at times that do not depend on the answers; one that finds every client busy waits for the first free one,
 * and its time counts from when it was due (no coordinated omission).
 */
import type { Connection, Reply } from './connection.ts';
import { createTally, type TallyReport, type Verdict, percentilesOf } from './tally.ts';
import { createRandom, type Random } from '#environments/search/world/random.ts';

export interface LoadPlan {
  readonly clients: number;
  /** Calls before the measured time; they are checked like all others, and their times are not counted. */
  readonly warmUpMs: number;
  readonly measureMs: number;
  readonly timeoutMs: number;
  /** Paced when given, else closed. */
  readonly callsPerSecond?: number | undefined;
}

export interface LoadTarget {
  /** What client number n speaks through. */
  connectionOf(client: number): Connection;
  readonly connections: readonly Connection[];
  readonly requests: readonly Buffer[];
  judge(request: number, reply: Reply): Verdict;
  /** At the beginning and at the end of the measured time. */
  onMeasure(phase: 'begin' | 'end'): void;
}

export interface LoadReport extends TallyReport {
  readonly warmUp: Pick<TallyReport, 'calls' | 'right' | 'wrong' | 'errors' | 'lost'>;
  /** From the first measured call to the end of the last. */
  readonly elapsedMs: number;
  readonly rightPerSecond: number;
  /** Paced only: how late calls began for the generator's own reasons or because every client was busy. */
  readonly startedLate?: { readonly p50Ms: number; readonly p99Ms: number } | undefined;
}

/** A client that failed tries again after this long, as real ones do. */
const pauseAfterFailureMs = 10;
const sweepMs = 100;

export async function runLoad(plan: LoadPlan, target: LoadTarget): Promise<LoadReport> {
  const sweep = setInterval(() => {
    const before = performance.now() - plan.timeoutMs;
    for (const connection of target.connections) connection.expire(before);
  }, sweepMs);
  try {
    let next = 0;
    const run = plan.callsPerSecond === undefined ? runClosed : runPaced;
    const callOf = (tally: ReturnType<typeof createTally>): CallOnce => {
      return (client, dueAt, onEnd) => {
        const request = next++ % target.requests.length;
        const bytes = target.requests[request];
        if (bytes === undefined) throw new RangeError('there are no requests');
        tally.begun();
        target.connectionOf(client).call(bytes, (reply) => {
          const latencyMs = performance.now() - dueAt;
          const verdict = target.judge(request, reply);
          tally.ended(verdict, latencyMs);
          onEnd(verdict.kind !== 'failed');
        });
      };
    };
    const warmUp = createTally();
    await run(plan, plan.warmUpMs, callOf(warmUp));
    const tally = createTally();
    target.onMeasure('begin');
    const started = performance.now();
    const { late } = await run(plan, plan.measureMs, callOf(tally));
    const elapsedMs = performance.now() - started;
    target.onMeasure('end');
    const { calls, right, wrong, errors, lost } = warmUp.report();
    const report = tally.report();
    const lateness = percentilesOf(late);
    return {
      ...report,
      elapsedMs: Math.round(elapsedMs),
      rightPerSecond: Math.round((report.right / elapsedMs) * 1000),
      startedLate: late.length === 0 ? undefined : { p50Ms: lateness.p50Ms, p99Ms: lateness.p99Ms },
      warmUp: { calls, right, wrong, errors, lost },
    };
  } finally {
    clearInterval(sweep);
  }
}

/** `onEnd` is called exactly once; connections see to it that every call ends, at the latest when its time is up. */
type CallOnce = (client: number, dueAt: number, onEnd: (ok: boolean) => void) => void;

async function runClosed({ clients }: LoadPlan, forMs: number, callOnce: CallOnce): Promise<{ late: number[] }> {
  const until = performance.now() + forMs;
  const ended = Promise.withResolvers<void>();
  let active = clients;
  const again = (client: number): void => {
    if (performance.now() >= until) {
      active -= 1;
      if (active === 0) ended.resolve();
      return;
    }
    callOnce(client, performance.now(), (ok) => {
      if (ok) again(client);
      else setTimeout(again, pauseAfterFailureMs, client);
    });
  };
  for (let client = 0; client < clients; client++) again(client);
  await ended.promise;
  return { late: [] };
}

async function runPaced(plan: LoadPlan, forMs: number, callOnce: CallOnce): Promise<{ late: number[] }> {
  const arrivals = arrivalsOf(plan.callsPerSecond ?? 1, createRandom('arrivals'));
  const started = performance.now();
  const free = Array.from({ length: plan.clients }, (_, client) => client);
  const late: number[] = [];
  const ended = Promise.withResolvers<void>();
  let due = arrivals.next().value;
  let timer: NodeJS.Timeout | undefined;

  function pump(): void {
    timer = undefined;
    let now = performance.now() - started;
    while (due <= now && due < forMs && free.length > 0) {
      const client = free.pop() ?? 0;
      late.push(now - due);
      callOnce(client, started + due, () => {
        free.push(client);
        // Only where calls wait for a client; else the timer wakes the next one.
        if (due < performance.now() - started) pump();
        else if (due >= forMs) endIfIdle();
      });
      due = arrivals.next().value;
      now = performance.now() - started;
    }
    if (due >= forMs) endIfIdle();
    else if (free.length > 0) timer ??= setTimeout(pump, Math.max(1, due - now));
  }
  function endIfIdle(): void {
    if (free.length < plan.clients) return;
    clearTimeout(timer);
    ended.resolve();
  }
  pump();
  await ended.promise;
  return { late };
}

/**
 * When calls are due, in milliseconds from the start: a Poisson process, which is what many clients that know nothing of
 * each other look like. Endless.
 */
export function* arrivalsOf(ratePerSecond: number, random: Random): Generator<number, never> {
  let at = 0;
  for (;;) {
    at += (-Math.log(1 - random.next()) * 1000) / ratePerSecond;
    yield at;
  }
}
