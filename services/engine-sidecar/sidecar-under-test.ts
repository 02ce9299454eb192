import { join } from 'node:path';
import { vi } from 'vitest';
import { z } from 'zod';
import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import { loadTokenizer } from '#chat/tokenizer.ts';
import { type EngineKind, defineEngineKind } from '#engines/kit/engine-kind.ts';
import type {
  EngineServer,
  ServerDescription,
  ServerRequest,
  ServerTurn,
  ServerWeights,
} from '#engines/kit/engine-server.ts';
import { TransientError } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { type EngineSidecarConfig, engineSidecarConfig } from './config.ts';
import { startEngineSidecar } from './service.ts';

const tokenizerPath = join(import.meta.dirname, '../../tests/fixtures/tokenizer/tokenizer.json');
export const tokenizer = await loadTokenizer(tokenizerPath);
const cleanups: (() => unknown)[] = [];

/** Ends what a test started, the last first. */
export async function stopAll(): Promise<void> {
  for (let next = cleanups.pop(); next !== undefined; next = cleanups.pop()) await next();
}

export interface Script {
  /** What the policy writes; the first tokens of `answer` otherwise. */
  turn: (request: ServerRequest, signal: AbortSignal) => Promise<ServerTurn> | ServerTurn;
  description: Partial<ServerDescription>;
  /** Scores of every token after the first, for the weights that it computes with. */
  scoreOf: (directory: string) => number;
  /** Whether a load takes effect. */
  obeys: boolean;
  tokenize: (text: string) => readonly number[];
  isDown: boolean;
  /** Before it has the weights, and after it has them. */
  beforeLoad: () => unknown;
  afterLoad: () => unknown;
  /** Before a process is there. */
  beforeStart: () => unknown;
  /** The name of its weights; none where it says none. */
  names: bigint | undefined;
}

/** A server whose policy is a script: what it says and what it computes with are a test's to choose. */
export function scriptedServer(changes: Partial<Script> = {}) {
  const script: Script = {
    turn: ({ maxNewTokens }) => ({
      tokenIds: tokenizer.encode('hello there').slice(0, maxNewTokens),
      logprobs: tokenizer
        .encode('hello there')
        .slice(0, maxNewTokens)
        .map(() => -0.5),
      finish: 'stop',
    }),
    description: {},
    scoreOf: (directory) => (directory === '' ? -1 : -2),
    obeys: true,
    tokenize: tokenizer.encode,
    isDown: false,
    beforeLoad: () => {},
    afterLoad: () => {},
    beforeStart: () => {},
    names: undefined,
    ...changes,
  };
  const requests: ServerRequest[] = [];
  const loads: ServerWeights[] = [];
  /** Plans that it was started with, and how each of its processes is ended. */
  const starts: { readonly directory: string; ended: boolean; end(how: string): void }[] = [];
  let computesWith = '';
  let looks = 0;
  let descriptions = 0;

  const named = () => (script.names === undefined ? {} : { version: script.names });
  function check(): void {
    if (script.isDown) throw new TransientError('unavailable', 'nobody is there');
  }
  const server: EngineServer = {
    async describe() {
      descriptions += 1;
      check();
      return {
        program: 'scripted 1.0',
        model: 'policy',
        maxContextTokens: 64,
        output: 'logprobs',
        logprobs: 'processed',
        toleranceNats: 0.05,
        loadsVersions: true,
        advice: [],
        ...named(),
        ...script.description,
      };
    },
    async generate(request, signal) {
      check();
      requests.push(request);
      return await script.turn(request, signal);
    },
    score: async (tokenIds) => tokenIds.slice(1).map(() => script.scoreOf(computesWith)),
    tokenize: async (text) => script.tokenize(text),
    async load(weights) {
      loads.push(weights);
      await script.beforeLoad();
      if (script.obeys) computesWith = weights.directory;
      await script.afterLoad();
    },
    async status() {
      looks += 1;
      check();
      return { running: 0, waiting: 0, kvUsedRatio: 0.25, preemptions: 0n, ...named() };
    },
    close() {},
  };
  const kind: EngineKind = defineEngineKind({
    kind: 'vllm',
    about: 'A script.',
    options: z.strictObject({}),
    connect: () => server,
    async start(plan) {
      await script.beforeStart();
      computesWith = plan.version === 0n ? '' : plan.modelDirectory;
      const { promise: ended, resolve: end } = Promise.withResolvers<string>();
      const process = {
        directory: computesWith,
        ended: false,
        end: (how: string) => ((process.ended = true), end(how)),
      };
      starts.push(process);
      return { baseUrl: 'http://127.0.0.1:1', ended, stop: async () => process.end('it was stopped') };
    },
  });
  return { script, requests, loads, starts, kind, looks: () => looks, descriptions: () => descriptions };
}

/** The real sidecar in this process, on a free port. */
export async function sidecar(
  { kind }: { readonly kind: EngineKind },
  overrides: Partial<EngineSidecarConfig> = { server: 'http://127.0.0.1:1' },
) {
  const stop = new AbortController();
  const deferred: (() => unknown)[] = [];
  const config = engineSidecarConfig.parse({
    kind: 'vllm',
    tokenizer: tokenizerPath,
    statusIntervalMs: 20,
    drainMs: 1000,
    ...overrides,
  });
  const end = async (): Promise<void> => {
    stop.abort();
    for (const dispose of deferred.splice(0).reverse()) await dispose();
  };
  cleanups.push(end);
  const metrics = createMetrics();
  const failures: unknown[] = [];
  const bound = await startEngineSidecar(
    config,
    {
      name: 'engine-sidecar',
      log: createLogger({ service: 'engine-sidecar', level: 'silent' }),
      metrics,
      signal: stop.signal,
      defer: (_what, dispose) => void deferred.push(dispose),
      fail: (error) => void failures.push(error),
    },
    {},
    [kind],
  );
  const client = createGrpcClient(EngineService, bound['grpc'] ?? '', { timeoutMs: 60_000 });
  deferred.push(() => client.close());
  return { client, metrics, failures };
}

/** Waits until `check` does not throw. */
export const eventually = (check: () => unknown): Promise<unknown> =>
  vi.waitFor(check, { timeout: 60_000, interval: 10 });

export function turnOf(overrides: object = {}, sampling: object = {}) {
  return {
    requestId: 's:0:0',
    sessionId: 's',
    tokenIds: [1, 2, 3],
    contextTokens: 64,
    sampling: { temperature: 1, maxNewTokens: 8, seed: 7n, ...sampling },
    ...overrides,
  };
}
