import { CancelledError, TransientError } from '#shared/errors.ts';

export interface EnginePoolOptions {
  readonly engines: number;
  /** Requests that one engine gets at a time. */
  readonly maxInFlightPerEngine: number;
  /** Requests that wait for a free place, over all engines; more are refused. */
  readonly maxQueued: number;
  /** Sessions whose engine is remembered; the longest unused are forgotten first. */
  readonly maxSessions: number;
}

export interface EngineLease {
  readonly engine: number;
  release(): void;
}

export interface EnginePool {
  /**
   * A place on an engine: the session's own while that one is up and has room, else the least loaded.
   * Waits in line when all are full. Throws TransientError: `unavailable` when no engine outside `exclude` is up,
   * `resource_exhausted` when the line is full.
   */
  acquire(
    sessionId: string,
    options: { readonly exclude: ReadonlySet<number>; readonly signal: AbortSignal },
  ): Promise<EngineLease>;
  /** Nobody is routed to an engine that is down; its sessions move when they next ask. */
  setUp(engine: number, up: boolean): void;
  isUp(engine: number): boolean;
  counts(): { readonly up: number; readonly inFlight: number; readonly queued: number };
}

interface Waiter {
  readonly sessionId: string;
  readonly exclude: ReadonlySet<number>;
  readonly resolve: (lease: EngineLease) => void;
  readonly reject: (error: Error) => void;
}

/** Who goes where. No I/O: the caller says which engines are up. All engines are down at first. */
export function createEnginePool(options: EnginePoolOptions): EnginePool {
  const engines = Array.from({ length: options.engines }, () => ({ up: false, inFlight: 0 }));
  const sessions = new Map<string, number>();
  const waiting = new Set<Waiter>();

  const eligible = (index: number, exclude: ReadonlySet<number>): boolean =>
    engines[index]?.up === true && !exclude.has(index);
  const hasRoom = (index: number): boolean => (engines[index]?.inFlight ?? Infinity) < options.maxInFlightPerEngine;

  function choose(sessionId: string, exclude: ReadonlySet<number>): number | undefined {
    const own = sessions.get(sessionId);
    if (own !== undefined && eligible(own, exclude) && hasRoom(own)) return own;
    let best: number | undefined;
    for (const [index, engine] of engines.entries()) {
      if (!eligible(index, exclude) || !hasRoom(index)) continue;
      if (best === undefined || engine.inFlight < (engines[best]?.inFlight ?? 0)) best = index;
    }
    return best;
  }

  function lease(sessionId: string, index: number): EngineLease {
    sessions.delete(sessionId);
    sessions.set(sessionId, index);
    if (sessions.size > options.maxSessions) {
      const oldest = sessions.keys().next();
      if (oldest.done !== true) sessions.delete(oldest.value);
    }
    const engine = engines[index];
    if (engine !== undefined) engine.inFlight += 1;
    let released = false;
    return {
      engine: index,
      release() {
        if (released) return;
        released = true;
        if (engine !== undefined) engine.inFlight -= 1;
        serveWaiting();
      },
    };
  }

  const unavailable = (): TransientError =>
    new TransientError(
      'unavailable',
      `no engine is up that has not failed this request (${engines.length} configured)`,
      { retryAfterMs: 500 },
    );

  function serveWaiting(): void {
    for (const waiter of waiting) {
      const index = choose(waiter.sessionId, waiter.exclude);
      if (index !== undefined) {
        waiting.delete(waiter);
        waiter.resolve(lease(waiter.sessionId, index));
      } else if (!engines.some((_, i) => eligible(i, waiter.exclude))) {
        waiting.delete(waiter);
        waiter.reject(unavailable());
      } else if (waiter.exclude.size === 0) {
        return; // Nobody behind this one can do better.
      }
    }
  }

  return {
    async acquire(sessionId, { exclude, signal }) {
      if (signal.aborted)
        throw new CancelledError('cancelled', 'the request was cancelled before it reached an engine', {
          cause: signal.reason,
        });
      if (!engines.some((_, index) => eligible(index, exclude))) throw unavailable();
      const index = waiting.size === 0 ? choose(sessionId, exclude) : undefined;
      if (index !== undefined) return lease(sessionId, index);
      if (waiting.size >= options.maxQueued) {
        throw new TransientError(
          'resource_exhausted',
          `all engines are busy and ${waiting.size} requests wait already (limit ${options.maxQueued})`,
          {
            retryAfterMs: 250,
          },
        );
      }
      return await new Promise<EngineLease>((resolve, reject) => {
        const onAbort = (): void => {
          waiting.delete(waiter);
          reject(
            new CancelledError('cancelled', 'the request was cancelled while it waited for an engine', {
              cause: signal.reason,
            }),
          );
        };
        const settle =
          <T>(then: (value: T) => void) =>
          (value: T): void => {
            signal.removeEventListener('abort', onAbort);
            then(value);
          };
        const waiter: Waiter = { sessionId, exclude, resolve: settle(resolve), reject: settle(reject) };
        signal.addEventListener('abort', onAbort, { once: true });
        waiting.add(waiter);
        serveWaiting();
      });
    },
    setUp(index, up) {
      const engine = engines[index];
      if (engine === undefined || engine.up === up) return;
      engine.up = up;
      serveWaiting();
    },
    isUp: (index) => engines[index]?.up === true,
    counts: () => ({
      up: engines.filter((engine) => engine.up).length,
      inFlight: engines.reduce((sum, engine) => sum + engine.inFlight, 0),
      queued: waiting.size,
    }),
  };
}
