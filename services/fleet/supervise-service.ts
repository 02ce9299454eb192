import { sleep } from '#platform/async/sleep.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import { endsWithin, killedWithinMs, mayStartLater } from './child-service.ts';
import type { Exit } from './child-service.ts';
import type { Probe } from './health/probe-service.ts';
import { watchHealth } from './health/watch-health.ts';
import type { Silence } from './health/watch-health.ts';

/** A process that runs: what supervision needs to know of it. */
export interface Running<A> {
  readonly pid: number;
  /** Where it serves; a restart serves there again when it can. */
  readonly addresses: A;
  readonly exited: Promise<Exit>;
  stop(graceMs: number): Promise<void>;
  /** SIGKILL. */
  kill(): void;
}

export interface SupervisionEvents {
  died(label: string, exit: Exit, backoffMs: number): void;
  /** It lived and did not answer; it is killed now. */
  hung(label: string, silence: Silence, backoffMs: number): void;
  /** It answers that it does not serve. */
  notServing(label: string, forMs: number): void;
  restarted(label: string, pid: number): void;
  restartFailed(label: string, error: Error, backoffMs: number): void;
}

export interface HealthCheck<A> {
  readonly probe: (addresses: A) => Probe;
  /** Silence that counts as a death. */
  readonly hungAfterMs: number;
}

export interface SuperviseOptions<A> {
  readonly label: string;
  /** Starts the process; `at` are the addresses of the one before it. `signal` aborts when the service is stopped meanwhile. */
  readonly start: (at: A | undefined, signal: AbortSignal) => Promise<Running<A>>;
  readonly signal: AbortSignal;
  readonly events: SupervisionEvents;
  /** Called once when the service cannot be kept running. */
  readonly onGivenUp: (error: Error) => void;
  /** Absent: only the process's end is noticed. */
  readonly health?: HealthCheck<A>;
  /**
   * Waits while nothing can be started (a full disk), and says whether it had to: what died meanwhile is not counted
   * against the service.
   */
  readonly untilStartable?: (signal: AbortSignal) => Promise<boolean>;
  /** Time to end in when it is started again on purpose. Absent: it is killed. */
  readonly replaceGraceMs?: number | undefined;
  /** Longest time from SIGKILL to the end of the process. Default 10 s. */
  readonly killedWithinMs?: number;
  readonly now?: () => number;
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

export interface SupervisedService<A> {
  readonly label: string;
  readonly pid: number;
  readonly addresses: A;
  readonly restarts: number;
  /** Ends the process and starts it again, with what it is to know by now. Not a death. */
  restart(): void;
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

type End =
  | { readonly kind: 'exited'; readonly exit: Exit }
  | { readonly kind: 'hung'; readonly silence: Silence }
  | { readonly kind: 'replaced' };

/**
 * Keeps one service running. A process that lives and does not answer is killed, and counts as one that died.
 *
 *   first start --failure, not for good--> first start, 8 times
 *
 *   serving --exit, silence--> waiting --backoff--> starting --ready--> serving
 *      |                          ^                    |
 *      |--restart()---------------|------failure-------+--8 deaths in a row--> given up
 *      +--stop()--> stopping --exit--> stopped      (from waiting and starting too)
 */
export async function superviseService<A>(options: SuperviseOptions<A>): Promise<SupervisedService<A>> {
  const { label, events } = options;
  const now = options.now ?? (() => performance.now());
  const wait = options.wait ?? sleep;
  const untilStartable = options.untilStartable ?? (() => Promise.resolve(false));
  const stopping = new AbortController();
  const signal = AbortSignal.any([options.signal, stopping.signal]);
  let running = await startFirst();
  let restarts = 0;
  /** restart() was called since the last start began. */
  let outdated = false;
  let wake = (): void => undefined;

  /** As often as a restart is tried, unless the service says that it can never start: that ends at once, with its reason. */
  async function startFirst(): Promise<Running<A>> {
    for (let deaths = 1; ; deaths++) {
      try {
        return await options.start(undefined, signal);
      } catch (thrown) {
        const error = errorFrom(thrown);
        if (signal.aborted || deaths >= mostDeaths || !mayStartLater(error)) throw error;
        events.restartFailed(label, error, backoffMs(deaths));
        await wait(backoffMs(deaths), signal);
      }
    }
  }

  async function endOf(process: Running<A>): Promise<End> {
    const over = new AbortController();
    const replaced = new Promise<End>((resolve) => {
      wake = () => resolve({ kind: 'replaced' });
      if (outdated) wake();
    });
    const ends = [process.exited.then((exit): End => ({ kind: 'exited', exit })), replaced];
    const { health } = options;
    using probe = health?.probe(process.addresses);
    if (health !== undefined && probe !== undefined) ends.push(silenceOf(probe, health.hungAfterMs, over.signal));
    try {
      return await Promise.race(ends);
    } finally {
      over.abort();
    }
  }

  async function silenceOf(probe: Probe, hungAfterMs: number, over: AbortSignal): Promise<End> {
    const watched = AbortSignal.any([signal, over]);
    const onNotServing = (forMs: number): void => events.notServing(label, forMs);
    const silence = await watchHealth({ probe, hungAfterMs, signal: watched, now, wait, onNotServing });
    // A watch that was ended says nothing; the process's own end decides.
    return silence === undefined ? await new Promise<never>(() => undefined) : { kind: 'hung', silence };
  }

  /** Deaths in a row after this end; 0 when it was wanted. The process is gone then. */
  async function settle(end: End, servedMs: number, deaths: number): Promise<number> {
    const next = servedMs >= healthyMs ? 1 : deaths + 1;
    switch (end.kind) {
      case 'exited':
        events.died(label, end.exit, backoffMs(next));
        return next;
      case 'hung':
        // Before the wait: what the kernel holds does not end.
        events.hung(label, end.silence, backoffMs(next));
        await kill(running);
        return next;
      case 'replaced':
        if (options.replaceGraceMs !== undefined) await running.stop(options.replaceGraceMs);
        await kill(running);
        return 0;
    }
  }

  async function kill({ pid, exited, kill: signalIt }: Running<A>): Promise<void> {
    signalIt();
    const mostMs = options.killedWithinMs ?? killedWithinMs;
    if (await endsWithin(exited, mostMs)) return;
    throw new TransientError(
      'unavailable',
      `${label} was killed and has not ended within ${mostMs / 1000} s: the kernel holds process ${pid}, most often for a disk or a device ` +
        `that does not answer ('ps -o pid,stat,wchan -p ${pid}' says state D, 'dmesg' says which one); correct that, then resume`,
    );
  }

  async function startAgain(before: number): Promise<number> {
    let deaths = before;
    for (;;) {
      if (await untilStartable(signal)) deaths = Math.min(deaths, 1);
      if (deaths > 0) await wait(backoffMs(deaths), signal);
      outdated = false;
      try {
        running = await options.start(running.addresses, signal);
        return deaths;
      } catch (thrown) {
        if (signal.aborted) throw thrown;
        deaths += 1;
        if (await untilStartable(signal)) deaths = 1;
        if (deaths >= mostDeaths) throw errorFrom(thrown);
        events.restartFailed(label, errorFrom(thrown), backoffMs(deaths));
      }
    }
  }

  async function keepRunning(): Promise<void> {
    let deaths = 0;
    for (;;) {
      const since = now();
      const end = await endOf(running);
      if (signal.aborted) return;
      const silentMs = end.kind === 'hung' ? end.silence.silentMs : 0;
      deaths = await settle(end, now() - since - silentMs, deaths);
      deaths = await startAgain(deaths);
      // Ready in the moment of the stop, which waits for this loop and then ends it.
      if (signal.aborted) return;
      restarts += 1;
      events.restarted(label, running.pid);
      if (deaths >= mostDeaths) throw new Error(`${label} died or hung ${deaths} times in a row`);
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
    restart() {
      outdated = true;
      wake();
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
