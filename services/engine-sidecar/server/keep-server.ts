import type { EngineServer } from '#engines/kit/engine-server.ts';
import type { ServerPlan, StartedServer } from '#engines/kit/engine-kind.ts';
import { sleep } from '#platform/async/sleep.ts';
import { type GradusError, errorFrom } from '#platform/errors.ts';
import type { RestartReason, SidecarEvents } from '../events.ts';

/** Throws where the server is not to be used. */
export type KeptCheck = (server: EngineServer) => Promise<void>;

export interface KeptServer {
  /** Undefined while it is down or being started. */
  readonly server: EngineServer | undefined;
  /**
   * Ends it and starts it with `plan`, for a load, which has `alone` already. Throws what kept it from starting, or what `check` throws; then it is ended,
   * and started again as after a death.
   */
  restart(plan: ServerPlan, check: KeptCheck): Promise<void>;
  /** It lives and does not answer: it is started anew. */
  kill(): void;
  stop(graceMs: number): Promise<void>;
}

export interface KeepOptions {
  readonly start: (plan: ServerPlan) => Promise<StartedServer>;
  /** Asks what it can do, and turns go there from then on, unless `check` throws. */
  readonly takeIn: (started: StartedServer, check: KeptCheck) => Promise<EngineServer>;
  /** What to start it with again after it has ended. */
  readonly planAgain: () => Promise<ServerPlan>;
  /** It serves again, with that plan. */
  readonly onRepaired: (plan: ServerPlan) => void;
  /** Runs it while nothing else changes the weights. */
  readonly alone: <T>(change: () => Promise<T>) => Promise<T>;
  readonly onDown: (reason: string) => void;
  /** It ended `mostDeaths` times in a row. */
  readonly onGivenUp: (error: Error) => void;
  readonly events: Pick<SidecarEvents, 'serverRestarted'>;
  readonly signal: AbortSignal;
  /** Of the wait after its first death; it doubles with each. */
  readonly firstBackoffMs: number;
}

type State =
  | { readonly kind: 'up'; readonly started: StartedServer; readonly server: EngineServer; readonly sinceMs: number }
  | { readonly kind: 'down' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'stopped' };

const legal: Readonly<Record<State['kind'], readonly State['kind'][]>> = {
  up: ['down', 'starting', 'stopped'],
  down: ['starting', 'stopped'],
  starting: ['up', 'down'],
  stopped: [],
};

const longestBackoffMs = 30_000;
/** Its next end starts a new count. */
const healthyMs = 60_000;
const mostDeaths = 6;

/**
 * Keeps a server running that was started here:
 *
 *     up -(it ended)-> down -(backoff, or a load)-> starting -(taken in)-> up
 *     up -(a load ends it)-> starting -(it ended, does not answer, or fails the check)-> down
 *     up, down -(stop)-> stopped
 *
 * Every start has the weights to itself (`alone`), so that there is one at a time. After six ends in a row it is given up.
 */
export function keepServer(started: StartedServer, server: EngineServer, options: KeepOptions): KeptServer {
  const { signal, alone, onDown } = options;
  let state: State = { kind: 'up', started, server, sinceMs: performance.now() };
  let deaths = 0;
  let isHung = false;
  let repairing: Promise<void> | undefined;

  function transition(next: State): void {
    if (!legal[state.kind].includes(next.kind))
      throw new TypeError(`a server cannot go from ${state.kind} to ${next.kind}`);
    state = next;
    if (next.kind !== 'up') return;
    isHung = false;
    void attend(next.started);
  }

  async function startWith(plan: ServerPlan, check: KeptCheck): Promise<void> {
    const before = state;
    transition({ kind: 'starting' });
    let next: StartedServer | undefined;
    try {
      if (before.kind === 'up') {
        onDown('it is started anew with other weights');
        before.server.close();
        await before.started.stop();
      }
      next = await options.start(plan);
      const client = await options.takeIn(next, check);
      transition({ kind: 'up', started: next, server: client, sinceMs: performance.now() });
    } catch (thrown) {
      await next?.stop();
      transition({ kind: 'down' });
      onDown(errorFrom(thrown).message);
      throw thrown;
    }
  }

  /** Waits for the end of one that is up. */
  async function attend(process: StartedServer): Promise<void> {
    const how = await process.ended;
    if (state.kind !== 'up' || state.started !== process) return;
    deaths = performance.now() - state.sinceMs >= healthyMs ? 1 : deaths + 1;
    state.server.close();
    transition({ kind: 'down' });
    onDown(how);
    repair(how);
  }

  /** One at a time. */
  function repair(how: string): void {
    if (signal.aborted) return;
    repairing ??= startAgain(how).finally(() => {
      repairing = undefined;
      // It ended once more while this was on its way here.
      if (state.kind === 'down' && deaths < mostDeaths) repair(how);
    });
  }

  async function startAgain(how: string): Promise<void> {
    const reason: RestartReason = isHung ? 'hung' : 'ended';
    for (let last = how; state.kind === 'down';) {
      if (deaths >= mostDeaths) {
        options.onGivenUp(new Error(`the server ended ${deaths} times in a row; the last time: ${last}`));
        return;
      }
      const backoffMs = Math.min(longestBackoffMs, options.firstBackoffMs * 2 ** Math.max(0, deaths - 1));
      await sleep(backoffMs, signal).catch(() => undefined);
      const failure = await alone(() => startIfDown(reason));
      if (signal.aborted) return;
      if (failure === undefined) continue;
      deaths += 1;
      last = failure.message;
    }
  }

  async function startIfDown(reason: RestartReason): Promise<GradusError | undefined> {
    // A load may have started it meanwhile.
    if (state.kind !== 'down' || signal.aborted) return undefined;
    try {
      const plan = await options.planAgain();
      await startWith(plan, async () => {});
      options.onRepaired(plan);
      options.events.serverRestarted(reason);
      return undefined;
    } catch (thrown) {
      return errorFrom(thrown);
    }
  }

  void attend(started);
  return {
    get server() {
      return state.kind === 'up' ? state.server : undefined;
    },
    async restart(plan, check) {
      try {
        await startWith(plan, check);
      } catch (thrown) {
        repair(errorFrom(thrown).message);
        throw thrown;
      }
      deaths = 0;
      options.events.serverRestarted('load');
    },
    kill() {
      if (state.kind !== 'up') return;
      isHung = true;
      void state.started.stop();
    },
    async stop(graceMs) {
      if (state.kind === 'up') await state.started.stop(graceMs);
      // What is being started gives up with the signal.
      await alone(async () => {
        if (state.kind !== 'stopped') transition({ kind: 'stopped' });
      });
    },
  };
}
