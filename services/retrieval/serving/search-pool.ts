import { CancelledError, TerminalError, TransientError, errorFrom, type GradusError } from '#platform/errors.ts';
import type { DocumentPart } from '../retriever.ts';
import type { EncodedHits } from './encoded-hits.ts';
import { createFairQueue } from './fair-queue.ts';
import {
  executorStages,
  type BatchAnswer,
  type FetchTask,
  type Executor,
  type ExecutorFailure,
  type ExecutorStage,
  type SearchTask,
} from './executor.ts';
import { startExecutorSlot, type ExecutorSlot } from './executor-slot.ts';

interface Job {
  /** Whether anybody still waits for it; asked before it starts. */
  wanted(): boolean;
  /** It leaves the queue because nobody wants it. */
  dropped(): void;
  /** It leaves the queue for an executor. */
  started(): void;
  failed(error: unknown): void;
}

export interface SearchJob extends Job {
  readonly kind: 'search';
  readonly task: SearchTask;
  /** `hits` is a view of the answers of a whole batch. */
  found(hits: EncodedHits, seconds: Readonly<Record<ExecutorStage, number>>): void;
}

export interface FetchJob extends Job {
  readonly kind: 'fetch';
  readonly task: FetchTask;
  found(documents: readonly (DocumentPart | undefined)[]): void;
}

export type PoolJob = SearchJob | FetchJob;

export interface SearchPool<D> {
  /** Jobs that no executor has begun. */
  readonly waiting: number;
  readonly executors: number;
  readonly busyExecutors: number;
  /** The jobs of one caller, served in turns with those of others. */
  push(jobs: readonly PoolJob[]): void;
  /** Forgets jobs that nobody waits for; to be called when many have become so. */
  sweep(): void;
  /** Readies an index in every executor; when one of them cannot open it, in none. */
  open(generation: number, data: D): Promise<void>;
  /** After the last job that names it. Settles when no executor reads the index any more. */
  close(generation: number): Promise<void>;
  stop(): Promise<void>;
}

export interface PoolOptions<D> {
  readonly startExecutor: () => Executor<D>;
  readonly executors: number;
  /** Most jobs that an executor takes at once. */
  readonly maxBatch: number;
  /** An executor that works longer on one batch is given up. */
  readonly mostBatchMs: number;
  readonly onExecutorLost: (reason: Error) => void;
}

/**
 * Jobs gather while all executors are busy; an executor that becomes free takes its share of all that waits, at once. Jobs of an
 * executor that is lost run once more, each alone, so that one which kills threads takes no other with it.
 */
export function startSearchPool<D>({
  startExecutor,
  executors,
  maxBatch,
  mostBatchMs,
  onExecutorLost,
}: PoolOptions<D>): SearchPool<D> {
  const queue = createFairQueue<PoolJob>();
  /** Jobs of lost executors: they come first, one at a time. */
  let again: PoolJob[] = [];
  const lostOnce = new WeakSet<PoolJob>();
  const generations = new Map<number, D>();
  let scheduled = false;
  let stopped = false;

  const slots: readonly ExecutorSlot[] = Array.from({ length: executors }, () =>
    startExecutorSlot({ startExecutor, generations, mostBatchMs, onFree: schedule, onLost: onExecutorLost }),
  );

  function isWanted(job: PoolJob): boolean {
    if (job.wanted()) return true;
    job.dropped();
    return false;
  }

  /** Once all handlers of this turn of the event loop have added theirs. */
  function schedule(): void {
    if (scheduled || stopped) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      dispatch();
    });
  }

  function nextBatch(freeLanes: number): PoolJob[] {
    for (let job = again.shift(); job !== undefined; job = again.shift()) {
      if (isWanted(job)) return [job];
    }
    return queue.take(Math.min(maxBatch, Math.ceil(queue.size / freeLanes)), isWanted);
  }

  function dispatch(): void {
    const free = slots.filter(({ state }) => state === 'free');
    for (let slot = free.pop(); slot !== undefined; slot = free.pop()) {
      const jobs = nextBatch(free.length + 1);
      if (jobs.length > 0) void run(slot, jobs);
    }
  }

  async function run(slot: ExecutorSlot, jobs: readonly PoolJob[]): Promise<void> {
    const searches = jobs.filter((job) => job.kind === 'search');
    const fetches = jobs.filter((job) => job.kind === 'fetch');
    for (const job of jobs) job.started();
    let answer: BatchAnswer;
    try {
      answer = await slot.run({
        searches: searches.map(({ task }) => task),
        fetches: fetches.map(({ task }) => task),
      });
    } catch (error) {
      runAgain(jobs, error);
      return;
    }
    // The executor goes on while this thread hands out what it found.
    if (queue.size > 0 || again.length > 0) dispatch();
    handOut(searches, fetches, answer);
  }

  function runAgain(jobs: readonly PoolJob[], cause: unknown): void {
    for (const job of jobs) {
      if (!lostOnce.has(job)) {
        lostOnce.add(job);
        again.push(job);
      } else {
        const message = `two search threads were lost while they worked on this; the second: ${errorFrom(cause).message}`;
        job.failed(new TerminalError('internal', message, { cause }));
      }
    }
    schedule();
  }

  async function close(generation: number): Promise<void> {
    generations.delete(generation);
    await Promise.all(slots.map((slot) => slot.close(generation)));
  }

  return {
    get waiting() {
      return queue.size + again.length;
    },
    executors,
    get busyExecutors() {
      return slots.filter(({ state }) => state === 'busy').length;
    },
    push(jobs) {
      queue.push(jobs);
      schedule();
    },
    sweep: () => queue.sweep(isWanted),
    async open(generation, data) {
      generations.set(generation, data);
      try {
        await Promise.all(slots.map((slot) => slot.open(generation)));
      } catch (error) {
        await close(generation);
        throw error;
      }
    },
    close,
    async stop() {
      stopped = true;
      const left = [...again, ...queue.take(queue.size, () => true)];
      again = [];
      for (const job of left) job.failed(new TransientError('unavailable', 'the service stops'));
      await Promise.all(slots.map((slot) => slot.stop()));
    },
  };
}

function handOut(searches: readonly SearchJob[], fetches: readonly FetchJob[], answer: BatchAnswer): void {
  const { hits, ends, seconds, documents, failures } = answer;
  searches.forEach((job, index) => {
    const failure = failures.get(index);
    if (failure !== undefined) return job.failed(errorOf(failure));
    const first = index * executorStages.length;
    return job.found(hits.subarray(index === 0 ? 0 : ends[index - 1], ends[index]), {
      lexical: seconds[first] ?? 0,
      dense: seconds[first + 1] ?? 0,
      fuse: seconds[first + 2] ?? 0,
      content: seconds[first + 3] ?? 0,
    });
  });
  fetches.forEach((job, index) => {
    const failure = failures.get(searches.length + index);
    if (failure === undefined) job.found(documents[index] ?? []);
    else job.failed(errorOf(failure));
  });
}

function errorOf({ code, message }: ExecutorFailure): GradusError {
  switch (code) {
    case 'unavailable':
      return new TransientError(code, message);
    case 'deadline_exceeded':
      return new CancelledError(code, message);
    case 'invalid_argument':
    case 'not_found':
    case 'already_exists':
    case 'failed_precondition':
    case 'unimplemented':
    case 'data_loss':
    case 'permission_denied':
    case 'internal':
      return new TerminalError(code, message);
  }
}
