import { create } from '@bufbuild/protobuf';
import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import {
  type DescribeResponse,
  EngineLoadSchema,
  type GenerateRequest,
  type LoadVersionRequest,
} from '#proto/policy/v1/policy_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import type { Security } from '#platform/security/security.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { loadTokenizer } from '#chat/tokenizer.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';
import { createEngine } from '../../services/scripted/engine/engine/engine.ts';
import { describe } from '../../services/scripted/engine/service.ts';
import { generate } from '../../services/scripted/engine/handlers/generate.ts';

/** What the script sees of a turn. */
export interface ScriptedRequest {
  readonly sessionId: string;
  /** From 0. */
  readonly turn: number;
  readonly request: GenerateRequest;
  /** Aborts when the caller cancels. */
  readonly signal: AbortSignal;
}

type Corruption = 'digest' | 'logprobs' | 'logprob_values' | 'versions';

export type ScriptedAnswer =
  | string
  | {
      readonly text: string;
      readonly delayMs?: number;
      /** Changes the answer on its way out: an engine that breaks the contract. */
      readonly corrupt?: Corruption;
    };

export interface ScriptedEngineOptions {
  /** Path of tokenizer.json. */
  readonly tokenizer: string;
  /** The policy: a pure function of the session and the turn, or one that throws. */
  readonly script: (turn: ScriptedRequest) => ScriptedAnswer | Promise<ScriptedAnswer>;
  readonly maxContextTokens?: number;
  readonly address?: string;
  readonly onLoad?: (request: LoadVersionRequest) => void | Promise<void>;
  /** While true the engine answers nothing at all, as a frozen process. */
  readonly frozen?: () => boolean;
  /** How long the answer to a probe takes: a busy engine. */
  readonly describeDelayMs?: () => number;
  /** Share of its KV cache that it says it uses. */
  readonly kvUsedRatio?: number;
  /** Replaces the hash that the engine reports. */
  readonly tokenizerHash?: string;
  /** Weights that it starts with. Default: version 0, from nowhere. */
  readonly serving?: { readonly version: bigint; readonly weightsPath: string };
  readonly security?: Security;
  /** Replaces what it says that it gives: an engine in front of a server that can do less. */
  readonly gives?: Partial<
    Pick<DescribeResponse, 'output' | 'logprobKind' | 'server' | 'advice' | 'fixedWeights' | 'forms'>
  >;
}

/** A turn as it went over the wire. */
export interface AnsweredTurn {
  readonly sessionId: string;
  readonly read: readonly number[];
  readonly sampled: readonly number[];
}

/** The engine of services/scripted/engine with a script of the test, and with faults that a real one should not have. */
export async function startScriptedEngine(options: ScriptedEngineOptions) {
  const tokenizer = await loadTokenizer(options.tokenizer);
  const generated: ScriptedRequest[] = [];
  const answered: AnsweredTurn[] = [];
  const corrupted = new WeakMap<GenerateRequest, Corruption>();
  let cancelled = 0;
  let described = 0;

  const answering = async (): Promise<void> => {
    if (options.frozen?.() === true) await new Promise<never>(() => {});
  };

  const engine = createEngine({
    tokenizer,
    maxContext: options.maxContextTokens ?? 1024,
    maxRunning: 65_536,
    maxWaiting: 0,
    events: { turnEnded() {}, loadChanged() {}, promptUnknown() {} },
    async script({ request, turn, signal }) {
      const scripted = { sessionId: request.sessionId, turn, request, signal };
      generated.push(scripted);
      await answering();
      const given = await options.script(scripted);
      if (typeof given === 'string') return { text: given, latencyMs: 0 };
      if (given.corrupt !== undefined) corrupted.set(request, given.corrupt);
      return { text: given.text, latencyMs: given.delayMs ?? 0 };
    },
  });

  if (options.serving !== undefined) engine.loadVersion(options.serving.version, options.serving.weightsPath);

  async function generateAndCorrupt(request: GenerateRequest, signal: AbortSignal) {
    const response = await generate(engine, request, signal);
    const fault = corrupted.get(request);
    if (fault === 'versions') delete response.versions;
    if (fault === 'logprobs') response.logprobs = response.logprobs?.slice(1) ?? [];
    if (fault === 'logprob_values') response.logprobs = (response.logprobs ?? []).map(() => NaN);
    if (fault === 'digest') response.sequenceDigest = sequenceDigest(response.tokenIds ?? []);
    const { sessionId, tokenIds } = request;
    answered.push({ sessionId, read: [...tokenIds], sampled: [...(response.tokenIds ?? [])] });
    return response;
  }

  const server = createGrpcServer({
    log: createLogger({ service: 'scripted-engine', level: 'silent' }),
    metrics: createMetrics(),
    security: options.security,
  });
  server.add(EngineService, {
    describe: async () => {
      await answering();
      await sleep(options.describeDelayMs?.() ?? 0);
      described += 1;
      return {
        ...describe(engine),
        load: create(EngineLoadSchema, { ...engine.load(), kvUsedRatio: options.kvUsedRatio ?? 0 }),
        vocabularySize: 1000,
        tokenizerHash: options.tokenizerHash ?? tokenizer.hash,
        ...options.gives,
      };
    },
    generate: async (request, call) => {
      try {
        return await generateAndCorrupt(request, call.signal);
      } finally {
        if (call.signal.aborted) cancelled += 1;
      }
    },
    abort: async ({ requestId }) => ({ aborted: engine.abort(requestId) }),
    loadVersion: async (request) => {
      await options.onLoad?.(request);
      return engine.loadVersion(request.version, request.weightsPath, request.weightsDigest);
    },
  });
  const address = await server.listen(options.address ?? '127.0.0.1:0');
  server.setServing(true);
  return {
    address,
    /** Every turn asked for, in the order of arrival. */
    generated: generated as readonly ScriptedRequest[],
    /** Every turn that was answered, in that order. */
    answered: answered as readonly AnsweredTurn[],
    counts: () => ({ running: engine.running, cancelled, version: engine.version, described }),
    /** Of the version that it serves: as when a load of the same version passed it by. */
    loadOtherWeights: (digest: string) => void engine.loadVersion(engine.version, '/other', digest),
    /** Like a process that dies: what runs is cut off. */
    kill: () => server.drain(0),
    [Symbol.asyncDispose]: () => server.drain(0),
  };
}

export type ScriptedEngine = Awaited<ReturnType<typeof startScriptedEngine>>;
