import type { DescribeResponse } from '#proto/policy/v1/policy_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { TerminalError, TransientError, errorFrom, type GradusError } from '#platform/errors.ts';
import { createAdaptiveTimeout } from '#platform/grpc/adaptive-timeout.ts';
import { isWithinReach } from '#weights/check-version.ts';
import type { PolicyEvents } from '../events.ts';
import { type EngineConnection, WrongEngineError, loadFromProto } from './engine-connection.ts';
import type { EnginePool } from './engine-pool.ts';
import type { LoadedVersion, WantedVersion } from './wanted-version.ts';

export interface EngineMemberOptions {
  readonly pool: EnginePool;
  readonly wanted: WantedVersion;
  /** SHA-256 that the engine must have; one with another vocabulary is never used. */
  readonly tokenizerHash: string;
  readonly loadTimeoutMs: number;
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  readonly maxProbeTimeoutMs: number;
  /** Probes in a row that an engine may miss before it is taken for dead. */
  readonly probeFailures: number;
  readonly events: PolicyEvents;
  readonly onAnswer: (description: DescribeResponse) => void;
}

export interface EngineMember {
  readonly address: string;
  readonly connection: EngineConnection;
  readonly description: DescribeResponse | undefined;
  /** What kept it from being up last; empty when nothing has. */
  readonly problem: string;
  /** Aborts when the engine is taken for dead, so that what runs on it moves at once; then there is a new one. */
  readonly life: AbortSignal;
  /** Asks once. Throws WrongEngineError; other failures are counted and kept as `problem`. */
  probe(): Promise<void>;
  /** Asks again and again until `dispose`. */
  watch(): void;
  /** Something came back from it: it is not frozen. */
  answered(): void;
  /** No new requests until a probe succeeds; what runs there may still finish (an engine that drains refuses new work only). */
  suspend(error: Error): void;
  /** What runs there moves now. */
  abandon(error: Error): void;
  dispose(reason: GradusError): void;
}

/** Pause before an engine that is down is asked again, in milliseconds. */
const DOWN_INTERVAL_MS = 250;

/**
 * One engine as the gateway sees it. States:
 *
 *     down -(a probe succeeds, the tokenizer matches, the wanted version is loaded)-> up
 *     up   -(a call fails as unavailable, a load fails, it serves less than is wanted)-> down
 *     up   -(`probeFailures` probes in a row fail)-> down, and what runs there moves
 */
export function createEngineMember(connection: EngineConnection, options: EngineMemberOptions): EngineMember {
  const { pool, wanted, events } = options;
  const { address } = connection;
  const over = new AbortController();
  const adaptive = createAdaptiveTimeout({ baseMs: options.probeTimeoutMs, maxMs: options.maxProbeTimeoutMs });
  let life = new AbortController();
  let probeNow = new AbortController();
  let missed = 0;
  let description: DescribeResponse | undefined;
  let problem = 'it has not answered yet';

  const isUp = (): boolean => pool.entry(address)?.state === 'up';

  function suspend(error: Error): void {
    problem = error.message;
    if (isUp()) {
      events.engineDown(address, error);
      pool.setDown(address);
    }
    probeNow.abort();
  }

  function abandon(error: Error): void {
    suspend(error);
    const down = `engine ${address} is down: ${error.message}`;
    life.abort(new TransientError('unavailable', down, { cause: error }));
    life = new AbortController();
  }

  async function ask(): Promise<DescribeResponse> {
    const startedMs = performance.now();
    const answer = await connection.describe({ timeoutMs: adaptive.timeoutMs, signal: over.signal });
    adaptive.answered(performance.now() - startedMs);
    missed = 0;
    if (answer.tokenizerHash !== options.tokenizerHash) {
      throw new WrongEngineError(
        'failed_precondition',
        `engine ${address} has tokenizer ${answer.tokenizerHash || '(none)'}, the gateway ${options.tokenizerHash}; start both with the same tokenizer.json`,
      );
    }
    const reachable = wanted.current()?.version ?? 0n;
    if (!isWithinReach(answer.version, reachable))
      throw new WrongEngineError(
        'failed_precondition',
        `engine ${address} serves version ${answer.version}, out of reach of ${reachable}, which is wanted; start it again`,
      );
    return answer;
  }

  async function probe(): Promise<void> {
    try {
      let answer = await ask();
      const { version, weightsPath, weightsDigest } = answer;
      wanted.learn({ version, weightsPath, weightsDigest });
      const target = wanted.current();
      if (target !== undefined && (answer.version < target.version || hasOtherWeights(answer, target))) {
        const served = `it serves version ${version} (weights ${weightsDigest || 'unknown'})`;
        suspend(new TransientError('unavailable', `${served}, not ${target.version} (${target.weightsDigest})`));
        if (answer.fixedWeights)
          throw new TransientError(
            'unavailable',
            `${served}, ${target.version} is wanted, and its weights cannot be replaced`,
          );
        // For no leader in particular: by the epoch that the engine knows.
        await connection.loadVersion(
          { ...target, epoch: answer.epoch },
          { timeoutMs: options.loadTimeoutMs, signal: over.signal },
        );
        answer = await ask();
      }
      over.signal.throwIfAborted();
      description = answer;
      pool.setGives(address, answer);
      if (answer.load !== undefined) pool.report(address, loadFromProto(answer.load));
      options.onAnswer(answer);
      if (pool.entry(address)?.state === 'draining') return;
      // While it loaded, a newer version may have become the wanted one.
      if (answer.version < (wanted.current()?.version ?? 0n)) return;
      if (!isUp()) events.engineUp(address, answer);
      pool.setUp(address, answer.version);
      problem = '';
    } catch (thrown) {
      if (over.signal.aborted) return;
      const error = errorFrom(thrown);
      if (!isUp()) problem = error.message;
      missed += 1;
      events.probeFailed(address, error);
      if (error instanceof TerminalError || missed >= options.probeFailures) abandon(error);
      if (error instanceof WrongEngineError) throw error;
    }
  }

  async function watchForEver(): Promise<void> {
    while (!over.signal.aborted) {
      probeNow = new AbortController();
      const pauseMs = isUp() ? options.probeIntervalMs : Math.min(options.probeIntervalMs, DOWN_INTERVAL_MS);
      await sleep(pauseMs, AbortSignal.any([over.signal, probeNow.signal])).catch(() => undefined);
      // A probe reports its own failures; an engine that is wrong for good stays down and is asked again.
      if (!over.signal.aborted) await probe().catch(() => undefined);
    }
  }

  return {
    address,
    connection,
    get description() {
      return description;
    },
    get problem() {
      return problem;
    },
    get life() {
      return life.signal;
    },
    probe,
    watch: () => void watchForEver(),
    answered: () => void (missed = 0),
    suspend,
    abandon,
    dispose(reason) {
      life.abort(reason);
      over.abort(reason);
      connection.close();
    },
  };
}

/** The wanted version, of other bytes: from a step that was made again elsewhere. */
function hasOtherWeights(answer: DescribeResponse, target: LoadedVersion): boolean {
  const isSaid = answer.weightsDigest !== '' && target.weightsDigest !== '';
  return isSaid && answer.version === target.version && answer.weightsDigest !== target.weightsDigest;
}
