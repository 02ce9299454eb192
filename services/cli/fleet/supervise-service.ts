import { sleep } from '#shared/async/sleep.ts';
import { errorFrom } from '#shared/errors.ts';
import type { Exit } from './child-service.ts';

/** A process that runs: what supervision needs to know of it. */
export interface Running<A> {
  readonly pid: number;
  /** Where it serves; a restart has to serve there again. */
  readonly addresses: A;
  readonly exited: Promise<Exit>;
  stop(graceMs: number): Promise<void>;
}

export interface SupervisionEvents {
  died(label: string, exit: Exit, backoffMs: number): void;
  restarted(label: string, pid: number): void;
  restartFailed(label: string, error: Error, backoffMs: number): void;
}

export interface SuperviseOptions<A> {
  readonly label: string;
  /** Starts the process; `at` are the addresses of the one before it. `signal` aborts when the service is stopped meanwhile. */
  readonly start: (at: A | undefined, signal: AbortSignal) => Promise<Running<A>>;
  readonly signal: AbortSignal;
  readonly events: SupervisionEvents;
  /** Called once when the service cannot be kept running. */
  readonly onGivenUp: (error: Error) => void;
  readonly now?: () => number;
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

export interface SupervisedService<A> {
  readonly label: string;
  readonly pid: number;
  readonly addresses: A;
  readonly restarts: number;
  stop(graceMs: number): Promise<void>;
}

const firstBackoffMs = 200;
const longestBackoffMs = 10_000;
/** A service that served this long was well: its next death starts a new count. */
const healthyMs = 30_000;
/** Deaths in a row, without a healthy time between them, after which the fleet is given up. */
const mostDeaths = 8;

/** 200 ms, then doubled up to 10 s. `deaths` counts from 1. */
export function backoffMs(deaths: number): number {
  return Math.min(longestBackoffMs, firstBackoffMs * 2 ** (deaths - 1));
}

/**
 * Keeps one service running.
 *
 *   serving --exit--> waiting --backoff--> starting --ready--> serving
 *      |                 ^                    |
 *      |                 +------failure-------+--8 deaths in a row--> given up
 *      +--stop()--> stopping --exit--> stopped      (from waiting and starting too)
 */
export async function superviseService<A>(options: SuperviseOptions<A>): Promise<SupervisedService<A>> {
  const { label, events } = options;
  const now = options.now ?? Date.now;
  const wait = options.wait ?? sleep;
  const stopping = new AbortController();
  const signal = AbortSignal.any([options.signal, stopping.signal]);
  let running = await options.start(undefined, signal);
  let restarts = 0;

  async function keepRunning(): Promise<void> {
    let deaths = 0;
    for (;;) {
      const since = now();
      const exit = await running.exited;
      if (signal.aborted) return;
      deaths = now() - since >= healthyMs ? 1 : deaths + 1;
      events.died(label, exit, backoffMs(deaths));
      for (;;) {
        await wait(backoffMs(deaths), signal);
        try {
          running = await options.start(running.addresses, signal);
          // Ready in the moment of the stop, which waits for this loop and then ends it.
          if (signal.aborted) return;
          break;
        } catch (thrown) {
          if (signal.aborted) return;
          deaths += 1;
          if (deaths >= mostDeaths) throw errorFrom(thrown);
          events.restartFailed(label, errorFrom(thrown), backoffMs(deaths));
        }
      }
      restarts += 1;
      events.restarted(label, running.pid);
      if (deaths >= mostDeaths) throw new Error(`${label} died ${deaths} times in a row`);
    }
  }

  const kept = keepRunning().catch((thrown: unknown) => {
    // An abort during the backoff is the ordinary end.
    if (!signal.aborted) options.onGivenUp(errorFrom(thrown));
  });

  return {
    label,
    get pid() {
      return running.pid;
    },
    get addresses() {
      return running.addresses;
    },
    get restarts() {
      return restarts;
    },
    async stop(graceMs) {
      stopping.abort();
      await running.stop(graceMs);
      await kept;
      // A start that was under way when stop() was called may have replaced it.
      await running.stop(graceMs);
    },
  };
}
