import { sleep } from '#platform/async/sleep.ts';
import { createSemaphore } from '#platform/async/semaphore.ts';
import { cancelledFrom, throwIfCancelled } from '#platform/errors.ts';
import { createCircuitBreaker, type CircuitState } from '../judge/circuit-breaker.ts';
import { customAbsent, type CustomAbsence } from './custom-absence.ts';
import type { ScorerProcess, StartedProcess, ScorerReply } from './scorer-process.ts';

export interface ProcessPool extends AsyncDisposable {
  readonly running: number;
  readonly waiting: number;
  /** Waits for a process in order of arrival. Throws `CancelledError` when `signal` aborts, nothing else. */
  ask(request: object, signal: AbortSignal): Promise<ScorerReply | CustomAbsence>;
}

export interface PoolOptions {
  readonly processes: number;
  readonly timeoutMs: number;
  start(signal: AbortSignal): Promise<StartedProcess>;
  /** A process took the place of one that ended. */
  onRestart(): void;
  /** Processes fail to start, as said; undefined: one has started again. */
  onBroken(detail: string | undefined): void;
  onCircuit(state: CircuitState): void;
  /** Waits so many milliseconds; as `sleep`, which it is by default. */
  pause?(milliseconds: number, signal: AbortSignal): Promise<void>;
}

interface Job {
  readonly request: object;
  /** Nobody waits any more. */
  readonly cancelled: boolean;
  settle(outcome: ScorerReply | CustomAbsence): void;
}

/** Starts that have to fail in a row until a pool is broken. */
const startsToBreak = 3;
const firstPauseMs = 50;
const longestPauseMs = 1000;
/** Between two tries of a broken pool. */
const brokenPauseMs = 5000;

/**
 * So many processes, each with one rollout at a time, and a queue before them. A process that ended is replaced, after a
 * pause that grows while nothing is scored. `first` is a process that has started already.
 *
 *     working --3 starts fail in a row--> broken --a start succeeds--> working
 *
 * Broken, rollouts are refused when no process is left.
 * In addition, a circuit opens when most rollouts cost their process.
 */
export function createProcessPool(first: ScorerProcess, options: PoolOptions): ProcessPool {
  const { pause = sleep } = options;
  const queue = new Set<Job>();
  /** Workers with an idle process, that wait for a job. */
  const idle = new Set<(job: Job | undefined) => void>();
  const live = new Set<ScorerProcess>();
  const stop = new AbortController();
  const probing = createSemaphore(1);
  let running = 0;
  /** Starts that failed, and processes that ended, in a row. */
  let failedStarts = 0;
  let ends = 0;
  let broken: string | undefined;

  const circuit = createCircuitBreaker({
    failureRatio: 0.8,
    minCalls: 20,
    openMs: brokenPauseMs,
    now: () => performance.now(),
    onChange: options.onCircuit,
  });

  function turnAway(job: Job, detail: string): void {
    job.settle(customAbsent('circuit_open', detail));
  }

  function setBroken(detail: string | undefined): void {
    if ((broken === undefined) !== (detail === undefined)) options.onBroken(detail);
    broken = detail;
    emptyQueue();
  }

  /** Where nobody will come for it. */
  function emptyQueue(): void {
    if (broken === undefined || live.size > 0) return;
    for (const job of queue) turnAway(job, broken);
    queue.clear();
  }

  /** Undefined: the pool is disposed of. */
  async function nextJob(): Promise<Job | undefined> {
    const [job] = queue;
    if (job !== undefined) {
      queue.delete(job);
      return job;
    }
    if (stop.signal.aborted) return undefined;
    return await new Promise((resolve) => idle.add(resolve));
  }

  function hand(job: Job): void {
    const [worker] = idle;
    if (worker === undefined) {
      queue.add(job);
      return;
    }
    idle.delete(worker);
    worker(job);
  }

  async function startOnce(): Promise<ScorerProcess | undefined> {
    if (broken !== undefined) await pause(brokenPauseMs, stop.signal);
    const started = await options.start(stop.signal);
    if (!('kind' in started)) {
      live.add(started);
      if (stop.signal.aborted) await started.kill();
      failedStarts = 0;
      setBroken(undefined);
      return started;
    }
    failedStarts += 1;
    if (failedStarts >= startsToBreak) {
      setBroken(`its process failed to start ${failedStarts} times in a row: ${started.detail}`);
    } else {
      await pause(firstPauseMs * 2 ** failedStarts, stop.signal);
    }
    return undefined;
  }

  async function startUntilAlive(): Promise<ScorerProcess> {
    for (;;) {
      throwIfCancelled(stop.signal);
      const started = broken === undefined ? await startOnce() : await probing.run(startOnce, stop.signal);
      if (started !== undefined) return started;
    }
  }

  async function serve(scorer: ScorerProcess): Promise<void> {
    while (scorer.alive) {
      const job = await nextJob();
      if (job === undefined) return;
      if (job.cancelled) continue;
      if (!scorer.alive) {
        hand(job);
        return;
      }
      const permit = circuit.admit();
      if (permit === undefined) {
        turnAway(job, 'most of the last rollouts cost it its process');
        continue;
      }
      running += 1;
      const outcome = await scorer.ask(job.request, options.timeoutMs);
      running -= 1;
      if ('kind' in outcome) permit.failed();
      else permit.succeeded();
      if (!('kind' in outcome)) ends = 0;
      job.settle(outcome);
    }
  }

  async function work(given: ScorerProcess | undefined): Promise<void> {
    let scorer = given ?? (await startUntilAlive());
    for (;;) {
      await serve(scorer);
      live.delete(scorer);
      emptyQueue();
      if (stop.signal.aborted) return;
      await scorer.kill();
      ends += 1;
      await pause(Math.min(longestPauseMs, firstPauseMs * 2 ** (ends - 1)), stop.signal);
      scorer = await startUntilAlive();
      options.onRestart();
    }
  }

  live.add(first);
  const workers = Array.from({ length: options.processes }, async (_, index) => {
    try {
      await work(index === 0 ? first : undefined);
    } catch (error) {
      // Starting and pausing end when the pool does.
      if (!stop.signal.aborted) throw error;
    }
  });

  return {
    get running() {
      return running;
    },
    get waiting() {
      return queue.size;
    },
    async ask(request, signal) {
      throwIfCancelled(signal);
      const { promise, resolve, reject } = Promise.withResolvers<ScorerReply | CustomAbsence>();
      const job: Job = {
        request,
        get cancelled() {
          return signal.aborted;
        },
        settle: resolve,
      };
      const onAbort = (): void => {
        queue.delete(job);
        reject(cancelledFrom(signal.reason));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      if (stop.signal.aborted) job.settle(customAbsent('unavailable', 'the service stops'));
      else {
        hand(job);
        emptyQueue();
      }
      return await promise.finally(() => signal.removeEventListener('abort', onAbort));
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      for (const job of queue) job.settle(customAbsent('unavailable', 'the service stops'));
      queue.clear();
      for (const resolve of idle) resolve(undefined);
      idle.clear();
      await Promise.all([...live].map((scorer) => scorer.kill()));
      await Promise.all(workers);
    },
  };
}
