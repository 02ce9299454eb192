import { sleep } from '#platform/async/sleep.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import type { Batch, BatchAnswer, Lane } from './lane.ts';

export type SeatState = 'opening' | 'free' | 'busy' | 'lost' | 'stopped';

/** A place where a lane works; when the lane is lost another one takes its place. */
export interface Seat {
  readonly state: SeatState;
  /** Settles once the lane that sits here, or its successor, has the index open. */
  open(generation: number): Promise<void>;
  /** Settles when nothing here reads the index any more. */
  close(generation: number): Promise<void>;
  /** Only while free. Rejects when the lane is lost meanwhile. */
  run(batch: Batch): Promise<BatchAnswer>;
  stop(): Promise<void>;
}

export interface SeatOptions<D> {
  readonly startLane: () => Lane<D>;
  /** All open indexes: a new lane opens them before it takes work. */
  readonly generations: ReadonlyMap<number, D>;
  /** A lane that works longer on one batch counts as lost. */
  readonly mostBatchMs: number;
  readonly onFree: () => void;
  readonly onLost: (reason: Error) => void;
}

/** The next lane starts after this, and after twice as long each time that one is lost before it did any work. */
const restartDelay = { firstMs: 50, mostMs: 5_000 } as const;

/** After so many lanes in a row that could not be readied, whoever waits for an index hears why. */
const mostFailedStarts = 3;

/**
 *     opening --> free <--> busy        any --> stopped
 *        ^          |         |
 *        +-- lost <-+---------+
 */
export function startSeat<D>({ startLane, generations, mostBatchMs, onFree, onLost }: SeatOptions<D>): Seat {
  const stopping = new AbortController();
  const opened = new Set<number>();
  const wanted = new Map<number, PromiseWithResolvers<void>>();
  let lane = startLane();
  let state: SeatState = 'opening';
  let hasWorked = false;

  const settle = (generation: number): PromiseWithResolvers<void> | undefined => {
    const waiting = wanted.get(generation);
    wanted.delete(generation);
    return waiting;
  };

  async function openHere(generation: number, data: D): Promise<void> {
    const here = lane;
    try {
      await here.open(generation, data);
    } catch (error) {
      // A lane that was lost is followed by one that tries again; an index that cannot be opened stays so.
      if (!(error instanceof TransientError)) settle(generation)?.reject(error);
      throw error;
    }
    if (here !== lane) return;
    opened.add(generation);
    settle(generation)?.resolve();
  }

  function giveUp(reason: unknown): void {
    for (const { reject } of wanted.values()) reject(reason);
    wanted.clear();
  }

  /** Opens all indexes, also those that come meanwhile; free from the moment that there is none left. */
  async function ready(): Promise<Error | undefined> {
    try {
      for (;;) {
        const next = [...generations].find(([generation]) => !opened.has(generation));
        if (next === undefined) break;
        await openHere(...next);
      }
      if (!stopping.signal.aborted) state = 'free';
      return undefined;
    } catch (error) {
      await lane.stop();
      return errorFrom(error);
    }
  }

  async function live(): Promise<void> {
    let delayMs: number = restartDelay.firstMs;
    let failedStarts = 0;
    for (;;) {
      let reason = await ready();
      if (reason === undefined && !stopping.signal.aborted) {
        onFree();
        reason = await lane.ended;
      }
      if (stopping.signal.aborted) return;
      state = 'lost';
      opened.clear();
      failedStarts = hasWorked ? 0 : failedStarts + 1;
      if (failedStarts >= mostFailedStarts) giveUp(reason);
      onLost(reason ?? new Error('a search thread ended by itself'));
      delayMs = hasWorked ? restartDelay.firstMs : Math.min(2 * delayMs, restartDelay.mostMs);
      hasWorked = false;
      await sleep(delayMs, stopping.signal);
      lane = startLane();
      state = 'opening';
    }
  }

  const living = live().catch((error: unknown) => {
    if (!stopping.signal.aborted) onLost(errorFrom(error));
  });

  return {
    get state() {
      return state;
    },
    async open(generation) {
      const data = generations.get(generation);
      if (opened.has(generation) || data === undefined) return;
      const waiting = Promise.withResolvers<void>();
      wanted.set(generation, waiting);
      // While opening, it comes to this one by itself.
      if (state === 'free' || state === 'busy') openHere(generation, data).catch(() => {});
      await waiting.promise;
    },
    async close(generation) {
      if (opened.delete(generation)) await lane.close(generation);
    },
    async run(batch) {
      state = 'busy';
      const answer = await inTime(lane, batch, mostBatchMs);
      hasWorked = true;
      if (state === 'busy') state = 'free';
      return answer;
    },
    async stop() {
      stopping.abort();
      state = 'stopped';
      giveUp(new TransientError('unavailable', 'the service stops'));
      await lane.stop();
      await living;
    },
  };
}

/** A batch that never ends would hold its lane forever; its callers have left long before. */
async function inTime<D>(lane: Lane<D>, batch: Batch, mostMs: number): Promise<BatchAnswer> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new TransientError('unavailable', `a search thread was lost: a batch took longer than ${mostMs} ms`));
    void lane.stop();
  }, mostMs);
  timer.unref();
  try {
    return await Promise.race([lane.run(batch), late]);
  } finally {
    clearTimeout(timer);
  }
}
