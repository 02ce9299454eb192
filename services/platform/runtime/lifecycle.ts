/**
 * The life of a service:
 *
 *     starting --> serving --> draining --> stopped
 *         |                      ^
 *         +----------------------+   (stopped or failed while starting)
 *
 * What was started is disposed in reverse order, all of it within one bound.
 */
import { TerminalError, errorFrom } from '../errors.ts';
import type { Logger } from '../telemetry/logging.ts';

/** EX_TEMPFAIL of sysexits.h: what the start needed was not available; another start may succeed. */
export const startLaterExitCode = 75;

export type LifecycleState = 'starting' | 'serving' | 'draining' | 'stopped';

const legal: Readonly<Record<LifecycleState, readonly LifecycleState[]>> = {
  starting: ['serving', 'draining'],
  serving: ['draining'],
  draining: ['stopped'],
  stopped: [],
};

export interface Lifecycle {
  readonly state: LifecycleState;
  /** Aborts when the drain begins. */
  readonly signal: AbortSignal;
  /** What made the service fail, if anything did. */
  readonly failure: unknown;
  defer(what: string, dispose: () => void | Promise<void>): void;
  serving(): void;
  /** Asks for the drain; more than once is fine. */
  stop(reason: string): void;
  fail(error: unknown): void;
  /** After `stop`: disposes in reverse. `clean` is false when something threw or the time was up. */
  drain(withinMs: number): Promise<{ readonly clean: boolean }>;
}

export function createLifecycle(log: Logger): Lifecycle {
  const controller = new AbortController();
  const deferred: { what: string; dispose: () => void | Promise<void> }[] = [];
  let state: LifecycleState = 'starting';
  let failure: unknown;

  function transition(to: LifecycleState): void {
    if (!legal[state].includes(to)) throw new TypeError(`a service cannot go from ${state} to ${to}`);
    state = to;
    log.debug({ state }, 'service state');
  }

  function stop(reason: string): void {
    if (state === 'draining' || state === 'stopped') return;
    log.info({ reason }, 'the service stops');
    transition('draining');
    controller.abort(new TerminalError('failed_precondition', `the service stops: ${reason}`));
  }

  async function disposeAll(): Promise<boolean> {
    let clean = true;
    for (let last = deferred.pop(); last !== undefined; last = deferred.pop()) {
      try {
        await last.dispose();
      } catch (error) {
        clean = false;
        log.error({ err: error, what: last.what }, 'could not be disposed');
      }
    }
    return clean;
  }

  return {
    get state() {
      return state;
    },
    get failure() {
      return failure;
    },
    signal: controller.signal,
    defer: (what, dispose) => void deferred.push({ what, dispose }),
    serving: () => transition('serving'),
    stop,
    fail(error) {
      failure ??= error;
      log.fatal({ err: error }, `the service failed: ${errorFrom(error).message}`);
      stop('failure');
    },
    async drain(withinMs) {
      const { promise: late, resolve } = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => {
        log.error({ withinMs, left: deferred.map(({ what }) => what) }, 'the drain took too long');
        resolve(false);
      }, withinMs);
      const clean = await Promise.race([disposeAll(), late]);
      clearTimeout(timer);
      transition('stopped');
      return { clean };
    },
  };
}
