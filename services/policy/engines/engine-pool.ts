import { CancelledError, TransientError, type GradusError } from '#platform/errors.ts';
import { chooseEngine, type Candidate } from './choose-engine.ts';
import type { OutputFormKind } from '#proto/policy/v1/policy_pb.ts';
import { type EngineGives, isTrainable } from './engine-output.ts';
import { createWaitingQueue } from './waiting-queue.ts';

export interface EnginePoolOptions {
  /** Requests that one engine gets at a time. */
  readonly maxInFlightPerEngine: number;
  /** Requests that wait for a free place, over all engines; more are refused. */
  readonly maxQueued: number;
  /** Sessions whose engine is remembered; the longest unused are forgotten first. */
  readonly maxSessions: number;
  /** How long a request waits while no engine could take it even if it had room. */
  readonly maxOutageMs: number;
  /** Default: `chooseEngine`. Others are what a bench compares it with. */
  readonly choose?: typeof chooseEngine;
}

/** What an engine says about itself. */
export interface ReportedLoad {
  readonly running: number;
  readonly waiting: number;
  /** 0 when unknown. */
  readonly capacity: number;
  readonly kvUsedRatio: number;
  readonly preemptions: bigint;
}

/**
 *     down <--> up --> draining (takes nothing new) --> removed
 */
export type EntryState = 'up' | 'down' | 'draining';

export interface EngineEntry {
  readonly address: string;
  readonly state: EntryState;
  /** Counts how often it went down: what failed in one life may succeed in the next. */
  readonly life: number;
  readonly version: bigint;
  readonly inFlight: number;
  readonly load: ReportedLoad | undefined;
  /** Undefined until it has said so; it was not up before. */
  readonly gives: EngineGives | undefined;
}

export interface PoolRequest {
  readonly sessionId: string;
  /** Greater goes first. */
  readonly priority: number;
  /** Engines with older weights may not take it. */
  readonly minVersion: bigint;
  /** Temperature of a turn that is trained on: engines whose turns cannot be may not take it. Undefined where nothing is trained. */
  readonly trainedAt: number | undefined;
  /** What the turn is held to: engines that cannot may not take it. */
  readonly form?: OutputFormKind | undefined;
  /** Lives of engines in which it failed: address to life. */
  readonly failed: ReadonlyMap<string, number>;
}

export interface EngineLease {
  readonly address: string;
  readonly life: number;
  readonly version: bigint;
  release(): void;
}

export interface EnginePool {
  /** Down at first. */
  add(address: string): void;
  remove(address: string): void;
  setUp(address: string, version: bigint): void;
  setDown(address: string): void;
  setDraining(address: string): void;
  report(address: string, load: ReportedLoad): void;
  setGives(address: string, gives: EngineGives): void;
  /**
   * A place on an engine: the session's own, else the least loaded. Waits, by priority, when all are full and
   * when none is there. Throws TransientError: `resource_exhausted` when the queue is full, `unavailable` when for
   * `maxOutageMs` no engine could have taken it.
   */
  acquire(request: PoolRequest, signal: AbortSignal): Promise<EngineLease>;
  /** Whether an engine is up that could take the request, with room or without. */
  canServe(request: PoolRequest): boolean;
  entry(address: string): EngineEntry | undefined;
  entries(): readonly EngineEntry[];
  queued(): number;
  /** Refuses all requests that wait, and all that come later. */
  close(error: GradusError): void;
}

interface OpenEntry extends EngineEntry {
  state: EntryState;
  life: number;
  version: bigint;
  inFlight: number;
  load: ReportedLoad | undefined;
  gives: EngineGives | undefined;
  /** Of the reported requests, those that are not ours. */
  foreign: number;
}

/** Who goes where. No I/O: the caller says which engines are up. */
export function createEnginePool(options: EnginePoolOptions): EnginePool {
  const engines = new Map<string, OpenEntry>();
  let entries: readonly OpenEntry[] = [];
  const sessions = new Map<string, { readonly address: string; readonly life: number }>();
  const queue = createWaitingQueue<PoolRequest, EngineLease>();
  let closed: GradusError | undefined;

  const isFit = ({ version, gives }: OpenEntry, { minVersion, trainedAt, form }: PoolRequest): boolean =>
    version >= minVersion &&
    (form === undefined || gives?.forms?.includes(form) === true) &&
    (trainedAt === undefined || gives === undefined || isTrainable(gives, trainedAt));
  const mayTake = (entry: OpenEntry, request: PoolRequest): boolean =>
    entry.state === 'up' && isFit(entry, request) && request.failed.get(entry.address) !== entry.life;
  const hasRoom = (entry: OpenEntry): boolean => entry.inFlight < options.maxInFlightPerEngine;
  const canServe = (request: PoolRequest): boolean => entries.some((entry) => mayTake(entry, request));

  function candidateOf(entry: OpenEntry): Candidate {
    const { address, inFlight, foreign, load } = entry;
    return {
      address,
      inFlight,
      foreign,
      waiting: load?.waiting ?? 0,
      capacity: load?.capacity || options.maxInFlightPerEngine,
      kvUsedRatio: load?.kvUsedRatio ?? 0,
    };
  }

  function choose(request: PoolRequest): OpenEntry | undefined {
    const known = sessions.get(request.sessionId);
    // An engine that was down in between has lost the prefix.
    const own = known !== undefined && engines.get(known.address)?.life === known.life ? known.address : undefined;
    const free = entries.filter((entry) => hasRoom(entry) && mayTake(entry, request)).map(candidateOf);
    const address = (options.choose ?? chooseEngine)(free, own);
    return address === undefined ? undefined : engines.get(address);
  }

  function lease(sessionId: string, entry: OpenEntry): EngineLease {
    const { address, life, version } = entry;
    sessions.delete(sessionId);
    sessions.set(sessionId, { address, life });
    if (sessions.size > options.maxSessions) {
      const oldest = sessions.keys().next();
      if (oldest.done !== true) sessions.delete(oldest.value);
    }
    entry.inFlight += 1;
    let released = false;
    return {
      address,
      life,
      version,
      release() {
        if (released) return;
        released = true;
        entry.inFlight -= 1;
        serveLine();
      },
    };
  }

  function serveLine(): void {
    if (queue.size === 0) return;
    for (const waiter of queue.inOrder()) {
      if (!entries.some((entry) => entry.state === 'up' && hasRoom(entry))) return;
      const entry = choose(waiter.request);
      if (entry !== undefined) waiter.resolve(lease(waiter.request.sessionId, entry));
    }
  }

  function outage({ minVersion, trainedAt }: PoolRequest): TransientError {
    const up = entries.filter(({ state }) => state === 'up');
    const versions = up.map(({ version }) => version).join(', ');
    const which = up.length === 0 ? 'no engine is up' : `the engines that are up serve version ${versions}`;
    const trained = trainedAt === undefined ? '' : `, and log-probabilities of what temperature ${trainedAt} makes`;
    return new TransientError(
      'unavailable',
      `${which} (${engines.size} known), and the request needs version ${minVersion} or later${trained}; 'gradus engine list' says what each gives`,
      { retryAfterMs: 500 },
    );
  }

  async function wait(request: PoolRequest, signal: AbortSignal): Promise<EngineLease> {
    const { waiter, settled } = queue.enter(request, request.priority);
    const onAbort = (): void =>
      waiter.reject(
        new CancelledError('cancelled', 'the request was cancelled while it waited for an engine', {
          cause: signal.reason,
        }),
      );
    let outageSinceMs: number | undefined;
    const check = (): void => {
      outageSinceMs = canServe(request) ? undefined : (outageSinceMs ?? performance.now());
      if (outageSinceMs !== undefined && performance.now() - outageSinceMs >= options.maxOutageMs)
        waiter.reject(outage(request));
    };
    check();
    const timer = setInterval(check, Math.min(1_000, Math.max(10, options.maxOutageMs / 4)));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await settled;
    } finally {
      clearInterval(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  function change(address: string, apply: (entry: OpenEntry) => void): void {
    const entry = engines.get(address);
    if (entry === undefined) return;
    apply(entry);
    serveLine();
  }

  return {
    add(address) {
      if (engines.has(address)) return;
      engines.set(address, {
        address,
        state: 'down',
        life: 0,
        version: 0n,
        inFlight: 0,
        load: undefined,
        gives: undefined,
        foreign: 0,
      });
      entries = [...engines.values()];
    },
    remove(address) {
      engines.delete(address);
      entries = [...engines.values()];
    },
    setUp: (address, version) =>
      change(address, (entry) => {
        entry.state = 'up';
        entry.version = version;
      }),
    setDown: (address) =>
      change(address, (entry) => {
        if (entry.state === 'up') entry.life += 1;
        entry.state = 'down';
      }),
    setDraining: (address) => change(address, (entry) => (entry.state = 'draining')),
    report: (address, load) =>
      change(address, (entry) => {
        entry.load = load;
        entry.foreign = Math.max(0, load.running + load.waiting - entry.inFlight);
      }),
    setGives: (address, gives) => change(address, (entry) => (entry.gives = gives)),
    async acquire(request, signal) {
      if (closed !== undefined) throw closed;
      if (signal.aborted)
        throw new CancelledError('cancelled', 'the request was cancelled before it reached an engine', {
          cause: signal.reason,
        });
      const entry = queue.size === 0 || request.priority > queue.firstPriority() ? choose(request) : undefined;
      if (entry !== undefined) return lease(request.sessionId, entry);
      if (queue.size >= options.maxQueued) {
        throw new TransientError(
          'resource_exhausted',
          `no engine has room and ${queue.size} requests wait already (limit ${options.maxQueued})`,
          { retryAfterMs: 250 },
        );
      }
      const waiting = wait(request, signal);
      serveLine();
      return await waiting;
    },
    canServe,
    entry: (address) => engines.get(address),
    entries: () => entries,
    queued: () => queue.size,
    close(error) {
      closed = error;
      for (const waiter of queue.inOrder()) waiter.reject(error);
    },
  };
}
