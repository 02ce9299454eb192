import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DescribeResponse, GenerateRequestSchema, GenerateResponse } from '#proto/policy/v1/policy_pb.ts';
import { CancelledError, TerminalError, TransientError, errorFrom, type GradusError } from '#shared/errors.ts';
import { sleep } from '#shared/async/sleep.ts';
import type { PolicyEvents } from '../events.ts';
import type { EngineConnection } from './engine-connection.ts';
import { createEnginePool } from './engine-pool.ts';

export interface EngineFleetOptions {
  readonly engines: readonly EngineConnection[];
  /** SHA-256 that every engine must have; an engine with another vocabulary is never used. */
  readonly tokenizerHash: string;
  readonly maxInFlightPerEngine: number;
  readonly maxQueued: number;
  readonly maxSessions: number;
  readonly generateTimeoutMs: number;
  readonly loadTimeoutMs: number;
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  /** Probes in a row that an engine may miss before it is taken for dead. */
  readonly probeFailures: number;
  readonly events: PolicyEvents;
  readonly signal: AbortSignal;
}

type GenerateInit = MessageInitShape<typeof GenerateRequestSchema> & { readonly sessionId: string };

export interface EngineFleet {
  /** On the session's engine, or on another one when that fails. */
  generate(request: GenerateInit, signal: AbortSignal): Promise<GenerateResponse>;
  /** Loads on all engines. One that fails is not used until it has loaded too. Throws when all fail. */
  loadVersion(
    version: bigint,
    weightsPath: string,
  ): Promise<{ readonly version: bigint; readonly carriedOver: number }>;
  describe(): {
    readonly engines: readonly DescribeResponse[];
    readonly version: bigint;
    readonly running: number;
    readonly queued: number;
  };
  /** Asks every engine once. Throws TerminalError when one answers with a wrong tokenizer. */
  start(): Promise<void>;
  close(): void;
}

interface Engine {
  readonly connection: EngineConnection;
  /** Aborted when the engine is taken for dead, so that what runs on it moves at once; then replaced. */
  life: AbortController;
  missed: number;
  description: DescribeResponse | undefined;
  /** Ends the pause before the next probe. */
  probeNow: AbortController;
}

/**
 * States of an engine: down -(a probe succeeds, the tokenizer matches, the wanted version is loaded)-> up
 *                      up -(a call fails as unavailable, or `probeFailures` probes in a row fail, or a load fails)-> down
 */
export function createEngineFleet(options: EngineFleetOptions): EngineFleet {
  const { events, signal } = options;
  const pool = createEnginePool({ ...options, engines: options.engines.length });
  const engines: readonly Engine[] = options.engines.map((connection) => ({
    connection,
    life: new AbortController(),
    missed: 0,
    description: undefined,
    probeNow: new AbortController(),
  }));
  let wanted: { readonly version: bigint; readonly weightsPath: string } | undefined;
  let loading: Promise<unknown> = Promise.resolve();

  /** No new requests until a probe succeeds; what runs there may still finish (an engine that drains refuses new work only). */
  function suspend(index: number, engine: Engine, error: Error): void {
    if (pool.isUp(index)) events.engineDown(engine.connection.address, error);
    pool.setUp(index, false);
    engine.probeNow.abort();
  }

  function takeForDead(index: number, engine: Engine, error: Error): void {
    suspend(index, engine, error);
    engine.life.abort(
      new TransientError('unavailable', `engine ${engine.connection.address} is down: ${error.message}`, {
        cause: error,
      }),
    );
    engine.life = new AbortController();
  }

  async function probe(index: number, engine: Engine): Promise<void> {
    const { connection } = engine;
    try {
      let description = await connection.describe({ timeoutMs: options.probeTimeoutMs, signal });
      if (description.tokenizerHash !== options.tokenizerHash) {
        throw new TerminalError(
          'failed_precondition',
          `engine ${connection.address} has tokenizer ${description.tokenizerHash || '(none)'}, the gateway ${options.tokenizerHash}; start both with the same tokenizer.json`,
        );
      }
      if (wanted !== undefined && description.version < wanted.version) {
        await connection.loadVersion(wanted, { timeoutMs: options.loadTimeoutMs, signal });
        description = await connection.describe({ timeoutMs: options.probeTimeoutMs, signal });
      }
      engine.description = description;
      engine.missed = 0;
      if (!pool.isUp(index)) events.engineUp(connection.address, description);
      pool.setUp(index, true);
    } catch (thrown) {
      const error = errorFrom(thrown);
      engine.missed += 1;
      events.probeFailed(connection.address, error);
      const fatal = error instanceof TerminalError;
      if (fatal || engine.missed >= options.probeFailures) takeForDead(index, engine, error);
      if (fatal) throw error;
    }
  }

  async function watch(index: number, engine: Engine): Promise<void> {
    while (!signal.aborted) {
      engine.probeNow = new AbortController();
      const pause = pool.isUp(index) ? options.probeIntervalMs : Math.min(options.probeIntervalMs, 250);
      await sleep(pause, AbortSignal.any([signal, engine.probeNow.signal])).catch(() => undefined);
      // A probe reports its own failures; an engine that is wrong for good stays down and is asked again.
      if (!signal.aborted) await probe(index, engine).catch(() => undefined);
    }
  }

  async function generate(request: GenerateInit, callSignal: AbortSignal): Promise<GenerateResponse> {
    const failed = new Set<number>();
    for (;;) {
      const lease = await pool.acquire(request.sessionId, { exclude: failed, signal: callSignal });
      const engine = engines[lease.engine];
      if (engine === undefined) throw new TerminalError('internal', `no engine ${lease.engine}`);
      const { life } = engine;
      try {
        return await engine.connection.generate(request, {
          signal: AbortSignal.any([callSignal, life.signal]),
          timeoutMs: options.generateTimeoutMs,
        });
      } catch (thrown) {
        const error = moveableError(thrown, engine.connection.address);
        const died = life.signal.aborted;
        if (callSignal.aborted || !(died || error instanceof TransientError)) throw error;
        failed.add(lease.engine);
        events.requestMoved(engine.connection.address, error);
        if (!died && error instanceof TransientError && error.code === 'unavailable')
          suspend(lease.engine, engine, error);
        // Busy everywhere: say so, with the engine's own advice on when to come back.
        if (failed.size === engines.length && error instanceof TransientError) throw error;
      } finally {
        lease.release();
      }
    }
  }

  async function loadOnAll(version: bigint, weightsPath: string): Promise<{ version: bigint; carriedOver: number }> {
    const outcomes = await Promise.allSettled(
      engines.map((engine) =>
        engine.connection.loadVersion({ version, weightsPath }, { timeoutMs: options.loadTimeoutMs, signal }),
      ),
    );
    const failures: Error[] = [];
    let carriedOver = 0;
    let loaded = 0;
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') {
        failures.push(errorFrom(outcome.reason));
      } else {
        loaded += 1;
        carriedOver += outcome.value.carriedOver;
      }
    }
    if (loaded === 0) throw failures[0] ?? new TransientError('unavailable', 'no engine to load on');
    wanted = { version, weightsPath };
    for (const [index, outcome] of outcomes.entries()) {
      const engine = engines[index];
      if (outcome.status === 'rejected' && engine !== undefined) suspend(index, engine, errorFrom(outcome.reason));
    }
    events.versionLoaded(version, loaded, failures.length);
    return { version, carriedOver };
  }

  return {
    generate,
    loadVersion(version, weightsPath) {
      // One at a time: two loads in flight could end in either order on different engines.
      const mine = loading.then(() => loadOnAll(version, weightsPath));
      loading = mine.catch(() => undefined);
      return mine;
    },
    describe() {
      const up = engines.flatMap(({ description }, index) =>
        description !== undefined && pool.isUp(index) ? [description] : [],
      );
      const counts = pool.counts();
      const oldest = up.reduce<bigint | undefined>(
        (least, { version }) => (least === undefined || version < least ? version : least),
        undefined,
      );
      return { engines: up, version: wanted?.version ?? oldest ?? 0n, running: counts.inFlight, queued: counts.queued };
    },
    async start() {
      await Promise.all(engines.map((engine, index) => probe(index, engine)));
      for (const [index, engine] of engines.entries()) void watch(index, engine);
    },
    close() {
      const stopped = new CancelledError('cancelled', 'the gateway stops');
      for (const engine of engines) {
        engine.life.abort(stopped);
        engine.connection.close();
      }
    },
  };
}

/** A call that ended as cancelled although its caller did not cancel was cut off by the engine's end. */
function moveableError(thrown: unknown, address: string): GradusError {
  const error = errorFrom(thrown);
  return error.code === 'cancelled'
    ? new TransientError('unavailable', `engine ${address} dropped the call`, { cause: error })
    : error;
}
