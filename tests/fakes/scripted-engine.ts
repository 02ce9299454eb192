import { readFile } from 'node:fs/promises';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import type { GenerateRequest, LoadVersionRequest } from '#proto/policy/v1/policy_pb.ts';
import { FinishReason, LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { sleep } from '#shared/async/sleep.ts';
import { createGrpcServer } from '#shared/grpc/server.ts';
import { createLogger } from '#shared/telemetry/logging.ts';
import { createMetrics } from '#shared/telemetry/metrics.ts';
import { sequenceDigest } from '#shared/trajectory/sequence-digest.ts';
import { loadTokenizer } from '../../services/policy/tokenizer/tokenizer.ts';

/** What the script sees of a turn. */
export interface ScriptedRequest {
  readonly sessionId: string;
  /** From 0. */
  readonly turn: number;
  readonly request: GenerateRequest;
  /** Aborts when the caller cancels. */
  readonly signal: AbortSignal;
}

export type ScriptedAnswer =
  | string
  | {
      readonly text: string;
      readonly delayMs?: number;
      /** Changes the answer on its way out: an engine that breaks the contract. */
      readonly corrupt?: 'digest' | 'logprobs' | 'versions';
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
  /** Replaces the hash that the engine reports. */
  readonly tokenizerHash?: string;
}

/** One of the three fakes: a scripted policy behind the real EngineService, over real gRPC. Limits and digests are kept as by a real engine. */
export async function startScriptedEngine(options: ScriptedEngineOptions) {
  const tokenizer = await loadTokenizer(options.tokenizer);
  const decoder = new HuggingFaceTokenizer(JSON.parse(await readFile(options.tokenizer, 'utf8')) as object, {});
  const generated: ScriptedRequest[] = [];
  let version = 0n;
  let running = 0;
  let cancelled = 0;

  async function generate(request: GenerateRequest, signal: AbortSignal) {
    const turn = Number(request.requestId.slice(request.requestId.lastIndexOf(':') + 1));
    const scripted: ScriptedRequest = { sessionId: request.sessionId, turn, request, signal };
    generated.push(scripted);
    const first = version;
    await answering();
    const given = await options.script(scripted);
    const answer = typeof given === 'string' ? { text: given } : given;
    if (answer.delayMs !== undefined && answer.delayMs > 0) await sleep(answer.delayMs, signal);

    const whole = tokenizer.encode(answer.text);
    const room = request.contextTokens - request.tokenIds.length;
    const bound = Math.min(room, request.sampling?.maxNewTokens ?? room);
    const cut = whole.length > bound;
    const tokenIds = cut ? whole.slice(0, bound) : whole;
    const logprobs = tokenIds.map((id) => -(1 + (id % 7)) / 8);
    return {
      tokenIds,
      text: cut
        ? decoder.decode(tokenIds, { skip_special_tokens: false, clean_up_tokenization_spaces: false })
        : answer.text,
      logprobs: answer.corrupt === 'logprobs' ? logprobs.slice(1) : logprobs,
      logprobKind: LogprobKind.TEMPERED,
      finishReason: cut ? (bound === room ? FinishReason.CONTEXT : FinishReason.LENGTH) : FinishReason.STOP,
      ...(answer.corrupt === 'versions' ? {} : { versions: { first, last: version } }),
      sequenceDigest: sequenceDigest(answer.corrupt === 'digest' ? tokenIds : [...request.tokenIds, ...tokenIds]),
    };
  }

  const answering = async (): Promise<void> => {
    if (options.frozen?.() === true) await new Promise<never>(() => {});
  };

  const server = createGrpcServer({
    log: createLogger({ service: 'scripted-engine', level: 'silent' }),
    metrics: createMetrics(),
  });
  server.add(EngineService, {
    describe: async () => {
      await answering();
      return {
        model: 'scripted',
        maxContextTokens: options.maxContextTokens ?? 1024,
        vocabularySize: 1000,
        tokenizerHash: options.tokenizerHash ?? tokenizer.hash,
        tokenizerPath: options.tokenizer,
        version,
        running,
        engines: 1,
      };
    },
    generate: async (request, call) => {
      running += 1;
      try {
        return await generate(request, call.signal);
      } finally {
        running -= 1;
        if (call.signal.aborted) cancelled += 1;
      }
    },
    abort: async () => ({ aborted: false }),
    loadVersion: async (request) => {
      await options.onLoad?.(request);
      version = request.version;
      return { version, carriedOver: running };
    },
  });
  const address = await server.listen(options.address ?? '127.0.0.1:0');
  server.setServing(true);
  return {
    address,
    /** Every turn asked for, in the order of arrival. */
    generated: generated as readonly ScriptedRequest[],
    counts: () => ({ running, cancelled, version }),
    /** Like a process that dies: what runs is cut off. */
    kill: () => server.drain(0),
    [Symbol.asyncDispose]: () => server.drain(0),
  };
}

export type ScriptedEngine = Awaited<ReturnType<typeof startScriptedEngine>>;
