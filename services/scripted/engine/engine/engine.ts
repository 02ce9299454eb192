import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GenerateRequest, GenerateResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { FinishReason, LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { createSemaphore } from '#platform/async/semaphore.ts';
import { sleep } from '#platform/async/sleep.ts';
import { TerminalError, TransientError, throwIfCancelled } from '#platform/errors.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';
import type { Tokenizer } from '#chat/tokenizer.ts';
import type { ScriptedEngineEvents } from '../events.ts';

/** What a script sees of a turn. */
export interface ScriptedTurn {
  readonly request: GenerateRequest;
  /** From 0. */
  readonly turn: number;
  /** Aborts when the caller cancels, or the request is aborted. */
  readonly signal: AbortSignal;
}

export interface ScriptedAnswer {
  readonly text: string;
  /** Time that the turn takes once it runs. */
  readonly latencyMs: number;
}

/** The policy: what it writes in a turn. The same turn of the same rollout has to give the same answer on every engine. */
export type Script = (turn: ScriptedTurn) => ScriptedAnswer | Promise<ScriptedAnswer>;

export interface EngineOptions {
  readonly tokenizer: Tokenizer;
  readonly script: Script;
  readonly maxContext: number;
  readonly maxRunning: number;
  readonly maxWaiting: number;
  readonly events: ScriptedEngineEvents;
}

const maxKnownTexts = 16_384;

type Response = MessageInitShape<typeof GenerateResponseSchema>;

/**
 * A script behind the limits and the contract of an engine: bounded places, versions, exact digests, abort.
 *
 *     asked --> waiting --> running --> answered
 *        |         '------------+-----> aborted (answers ABORTED) | cancelled (throws)
 *        '--> refused: too many wait
 */
export function createEngine(options: EngineOptions) {
  const { tokenizer, events } = options;
  const places = createSemaphore(options.maxRunning);
  /** Requests by id; one that was repeated while the first still runs is there twice. */
  const live = new Map<string, Set<AbortController>>();
  let version = 0n;
  let weightsPath = '';
  let weightsDigest = '';

  const running = (): number => options.maxRunning - places.available;
  const load = () => ({
    running: running(),
    waiting: places.waiting,
    capacity: options.maxRunning,
  });
  const loadChanged = (): void => events.loadChanged(running(), places.waiting);

  async function write(request: GenerateRequest, turn: number, signal: AbortSignal): Promise<Response> {
    const askedMs = performance.now();
    const release = await places.acquire(signal);
    const startedMs = performance.now();
    loadChanged();
    try {
      const first = version;
      const { text, latencyMs } = await options.script({ request, turn, signal });
      if (latencyMs > 0) await sleep(latencyMs, signal);
      throwIfCancelled(signal);
      return {
        ...cut(request, text),
        versions: { first, last: version },
        queueMs: Math.round(startedMs - askedMs),
        generateMs: Math.round(performance.now() - startedMs),
        load: load(),
      };
    } finally {
      release();
      loadChanged();
    }
  }

  /** A script says few things, and each many times. */
  const known = new Map<string, number[]>();
  function encode(text: string): number[] {
    const tokenIds = known.get(text) ?? tokenizer.encode(text);
    if (known.size >= maxKnownTexts) known.clear();
    known.set(text, tokenIds);
    return tokenIds;
  }

  /** The text as tokens, as many as there is room for. */
  function cut(request: GenerateRequest, text: string) {
    const whole = encode(text);
    const room = (request.contextTokens || options.maxContext) - request.tokenIds.length;
    const bound = Math.min(room, request.sampling?.maxNewTokens ?? room);
    const isCut = whole.length > bound;
    const tokenIds = isCut ? whole.slice(0, bound) : whole;
    return {
      tokenIds,
      text: isCut ? tokenizer.decode(tokenIds) : text,
      // Between -1/8 and -7/8: finite, negative, and the same wherever the turn runs.
      logprobs: tokenIds.map((id) => -(1 + (id % 7)) / 8),
      logprobKind: LogprobKind.TEMPERED,
      finishReason: isCut ? (bound === room ? FinishReason.CONTEXT : FinishReason.LENGTH) : FinishReason.STOP,
      sequenceDigest: sequenceDigest([...request.tokenIds, ...tokenIds]),
    };
  }

  function track(requestId: string): { readonly controller: AbortController; done(): void } {
    const controller = new AbortController();
    const same = live.get(requestId) ?? new Set();
    live.set(requestId, same.add(controller));
    return {
      controller,
      done() {
        same.delete(controller);
        if (same.size === 0) live.delete(requestId);
      },
    };
  }

  return {
    tokenizer,
    maxContext: options.maxContext,
    get version() {
      return version;
    },
    /** Where its weights came from; empty for those that it started with. */
    get weightsPath() {
      return weightsPath;
    },
    /** Of those weights; empty for those that it started with. */
    get weightsDigest() {
      return weightsDigest;
    },
    get running() {
      return running();
    },
    load,
    get waiting() {
      return places.waiting;
    },
    async generate(request: GenerateRequest, turn: number, caller: AbortSignal): Promise<Response> {
      if (version < request.minVersion) {
        throw new TransientError(
          'unavailable',
          `version ${version} serves, older than min_version ${request.minVersion}; load that first`,
        );
      }
      if (places.available === 0 && places.waiting >= options.maxWaiting) {
        events.turnEnded('refused');
        throw new TransientError('resource_exhausted', `${places.waiting} turns wait already`, { retryAfterMs: 250 });
      }
      const { controller, done } = track(request.requestId);
      const onCancel = (): void => controller.abort(caller.reason);
      caller.addEventListener('abort', onCancel, { once: true });
      try {
        throwIfCancelled(caller);
        const response = await write(request, turn, controller.signal);
        events.turnEnded('ok');
        return response;
      } catch (thrown) {
        if (caller.aborted || !controller.signal.aborted) {
          if (caller.aborted) events.turnEnded('cancelled');
          throw thrown;
        }
        events.turnEnded('aborted');
        return {
          finishReason: FinishReason.ABORTED,
          logprobKind: LogprobKind.TEMPERED,
          versions: { first: version, last: version },
          sequenceDigest: sequenceDigest(request.tokenIds),
        };
      } finally {
        caller.removeEventListener('abort', onCancel);
        done();
      }
    },
    /** False when no such request is running or waiting. */
    abort(requestId: string): boolean {
      const found = live.get(requestId);
      for (const controller of found ?? []) controller.abort();
      return found !== undefined;
    },
    loadVersion(next: bigint, path: string, digest = ''): { readonly version: bigint; readonly carriedOver: number } {
      if (next < version) {
        throw new TerminalError(
          'failed_precondition',
          `version is ${next}, but version ${version} serves already; versions only grow`,
        );
      }
      const carriedOver = next === version ? 0 : running();
      if (next > version || digest !== weightsDigest) {
        weightsPath = path;
        weightsDigest = digest;
      }
      version = next;
      return { version, carriedOver };
    },
  };
}

export type Engine = ReturnType<typeof createEngine>;
