import type { EngineServer } from '#engines/kit/engine-server.ts';
import type { ServerPlan, StartedServer } from '#engines/kit/engine-kind.ts';
import { sleep } from '#platform/async/sleep.ts';
import { CancelledError, errorFrom } from '#platform/errors.ts';
import type { RestartReason, SidecarEvents } from '../events.ts';

export interface KeptServer {
  /** Undefined while it is being started. */
  readonly server: EngineServer | undefined;
  /** Ends it and starts it with `plan`; resolves when that one has been taken in. */
  replace(plan: ServerPlan): Promise<void>;
  /** It lives and does not answer: it is started anew. */
  kill(): void;
  stop(): Promise<void>;
}

export interface KeepOptions {
  readonly start: (plan: ServerPlan) => Promise<StartedServer>;
  readonly connect: (baseUrl: string) => EngineServer;
  /** What to start it with again after it has ended. */
  readonly planAgain: () => Promise<ServerPlan>;
  /** Asks what it can do, and turns go there from then on. */
  readonly takeIn: (server: EngineServer, plan: ServerPlan) => Promise<void>;
  readonly onDown: (reason: string) => void;
  /** It ended `mostDeaths` times in a row. */
  readonly onGivenUp: (error: Error) => void;
  readonly events: Pick<SidecarEvents, 'serverRestarted'>;
  readonly signal: AbortSignal;
  readonly now?: () => number;
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

const firstBackoffMs = 1_000;
const longestBackoffMs = 30_000;
/** Its next end starts a new count. */
const healthyMs = 60_000;
const mostDeaths = 6;

/**
 * Keeps a server running that was started here:
 *
 *     up -(it ended)-> waiting -(backoff)-> starting -(taken in)-> up          given up after six ends in a row
 *     up -(replace, kill)-> ended -> starting -> up
 */
export function keepServer(first: StartedServer, server: EngineServer, options: KeepOptions): KeptServer {
  const { signal, now = () => performance.now(), wait = sleep } = options;
  let started = first;
  let current: EngineServer | undefined = server;
  let asked: { readonly plan: ServerPlan; resolve(): void; reject(error: Error): void } | undefined;
  let isHung = false;
  let stopped = false;

  async function startWith(plan: ServerPlan): Promise<void> {
    started = await options.start(plan);
    const next = options.connect(started.baseUrl);
    await options.takeIn(next, plan);
    current = next;
  }

  async function again(deathsBefore: number, reason: RestartReason): Promise<number> {
    for (let deaths = deathsBefore; ;) {
      const wanted = asked;
      try {
        if (wanted === undefined) {
          deaths += 1;
          if (deaths >= mostDeaths) throw new Error(`the server ended ${deaths} times in a row`);
          await wait(Math.min(longestBackoffMs, firstBackoffMs * 2 ** (deaths - 1)), signal);
        }
        await startWith(wanted?.plan ?? (await options.planAgain()));
        if (asked === wanted) asked = undefined;
        wanted?.resolve();
        options.events.serverRestarted(reason);
        return wanted === undefined ? deaths : 0;
      } catch (thrown) {
        if (signal.aborted || deaths >= mostDeaths) throw thrown;
        options.onDown(errorFrom(thrown).message);
        await started.stop();
        if (asked === wanted) asked = undefined;
        wanted?.reject(errorFrom(thrown));
      }
    }
  }

  async function keep(): Promise<void> {
    let deaths = 0;
    while (!signal.aborted) {
      const sinceMs = now();
      const how = await started.ended;
      current?.close();
      current = undefined;
      if (signal.aborted || stopped) return;
      const reason: RestartReason = asked !== undefined ? 'load' : isHung ? 'hung' : 'ended';
      isHung = false;
      options.onDown(how);
      deaths = await again(now() - sinceMs >= healthyMs ? 0 : deaths, reason);
    }
  }

  const kept = keep().catch((thrown: unknown) => {
    asked?.reject(errorFrom(thrown));
    if (!signal.aborted && !stopped) options.onGivenUp(errorFrom(thrown));
  });

  return {
    get server() {
      return current;
    },
    async replace(plan) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      asked = { plan, resolve, reject };
      void started.stop();
      await promise;
    },
    kill() {
      isHung = true;
      void started.stop();
    },
    async stop() {
      stopped = true;
      asked?.reject(new CancelledError('cancelled', 'the sidecar stops'));
      await started.stop();
      await kept;
    },
  };
}
