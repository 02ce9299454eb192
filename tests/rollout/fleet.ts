import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { z } from 'zod';
import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { RolloutResultSchema, type RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { RolloutTaskSchema, type RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import type { Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { connectNats, type Nats } from '#platform/nats/connect.ts';
import { decodeMessage, getMessage, tailStream } from '#platform/nats/messages.ts';
import { startNatsServer, type NatsServer } from '#platform/nats/nats-server.ts';
import { publishBytes, publishMessage } from '#platform/nats/publish.ts';
import { ensureStreams, streams, subjects } from '#platform/nats/streams.ts';
import { compose } from '#rewards/compose.ts';
import { createLifecycle } from '#platform/runtime/lifecycle.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics, type Metrics } from '#platform/telemetry/metrics.ts';
import { decodeTrajectory } from '#trajectory/encode-trajectory.ts';
import { policyConfig } from '../../services/policy/config.ts';
import { startPolicy } from '../../services/policy/service.ts';
import { retrievalConfig } from '../../services/retrieval/config.ts';
import { startRetrieval } from '../../services/retrieval/service.ts';
import { rewardConfig } from '../../services/reward/config.ts';
import { startReward } from '../../services/reward/service.ts';
import { rolloutConfig, type RolloutConfig } from '../../services/rollout/config.ts';
import { startRollout } from '../../services/rollout/service.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';
import { startScriptedEngine, type ScriptedEngineOptions } from '../fakes/scripted-engine.ts';
import { pages, runId } from './task.ts';

export const tokenizerPath = join(import.meta.dirname, '../fixtures/tokenizer/tokenizer.json');

const log = createLogger({ service: 'test', level: 'silent' });

/** A real service in this process, started and stopped as `runService` does it. */
export async function startInProcess<C>(
  start: (config: C, ctx: ServiceContext) => Promise<Readonly<Record<string, string>>>,
  schema: z.ZodType<C>,
  config: object,
): Promise<{ address: string; sessions: string; metrics: Metrics; stop(withinMs?: number): Promise<void> }> {
  const lifecycle = createLifecycle(log);
  const metrics = createMetrics();
  const ctx = { name: 'test', log, metrics, signal: lifecycle.signal, defer: lifecycle.defer, fail: lifecycle.fail };
  const { grpc = '', sessions = '' } = await start(schema.parse(config), ctx);
  lifecycle.serving();
  let stopped: Promise<unknown> | undefined;
  return {
    address: grpc,
    /** Where it serves sessions of agents, if it does. */
    sessions,
    metrics,
    async stop(withinMs = 10_000) {
      if (stopped === undefined) {
        lifecycle.stop('test');
        stopped = lifecycle.drain(withinMs);
      }
      await stopped;
    },
  };
}

export interface FleetOptions {
  readonly script: ScriptedEngineOptions['script'];
  /** A real engine in place of the scripted one, and its tokenizer.json. */
  readonly engine?: { readonly address: string; readonly tokenizer: string };
  /** The gateway's, with a chat template next to it; the scripted engine keeps the tests' own, which must be the same. */
  readonly tokenizer?: string;
  /** Of the scripted engine. */
  readonly maxContextTokens?: number;
  readonly worker?: Partial<RolloutConfig>;
  /** Environment variables of the workers. */
  readonly variables?: NodeJS.ProcessEnv;
  /** Config of the reward service: judges and custom scorers. */
  readonly reward?: object;
  readonly maxPayloadBytes?: number;
  /** Further lines of the configuration of NATS. */
  readonly natsLines?: readonly string[];
  /** Default: one. 0 leaves starting workers to the test. */
  readonly workers?: number;
}

/** The whole rollout path on this machine: NATS with JetStream, a scripted engine behind the real gateway, retrieval, reward, workers. */
export async function startRolloutFleet(options: FleetOptions) {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-rollout-'));
  const corpus = join(directory, 'corpus.jsonl');
  await writeFile(corpus, pages.map((page) => JSON.stringify(page)).join('\n'));
  const stop = new AbortController();
  const compositions = new Map<string, Composition>();
  const cleanups: (() => Promise<unknown>)[] = [() => rm(directory, { recursive: true, force: true })];

  let server: NatsServer = await startNatsServer({
    storeDirectory: join(directory, 'nats'),
    port: await lastingPort(),
    maxPayloadBytes: options.maxPayloadBytes,
    configLines: options.natsLines,
  });
  cleanups.push(() => server.stop());
  const nats: Nats = await connectNats({ url: server.url, name: 'test', log, signal: stop.signal });
  cleanups.push(() => nats.close());
  await ensureStreams(nats, { trajectoryMaxBytes: 64 * 1024 * 1024 });

  const engine = await startScriptedEngine({
    tokenizer: tokenizerPath,
    script: options.script,
    ...(options.maxContextTokens !== undefined && { maxContextTokens: options.maxContextTokens }),
  });
  cleanups.push(() => engine.kill());
  const policy = await startInProcess(startPolicy, policyConfig, {
    engines: [options.engine?.address ?? engine.address],
    tokenizer: options.tokenizer ?? options.engine?.tokenizer ?? tokenizerPath,
    probeIntervalMs: 200,
    sessionsHttp: '127.0.0.1:0',
  });
  const retrieval = await startInProcess(startRetrieval, retrievalConfig, { corpus });
  const reward = await startInProcess(startReward, rewardConfig, options.reward ?? {});
  cleanups.push(
    () => policy.stop(),
    () => retrieval.stop(),
    () => reward.stop(),
  );

  const addWorker = async (overrides: Partial<RolloutConfig> = {}) => {
    const start: typeof startRollout = (config, ctx) => startRollout(config, ctx, options.variables);
    const worker = await startInProcess(start, rolloutConfig, {
      natsUrl: server.url,
      policy: policy.address,
      retrieval: retrieval.address,
      reward: reward.address,
      workerId: 'worker-test',
      concurrency: 64,
      retries: 2,
      retryDelayMs: 20,
      redeliveryDelayMs: 20,
      drainMs: 3_000,
      ...options.worker,
      ...overrides,
    });
    cleanups.push(() => worker.stop(3_000));
    return worker;
  };
  const workers = await Promise.all(Array.from({ length: options.workers ?? 1 }, () => addWorker()));

  const results: RolloutResult[] = [];
  const wakes = new Set<() => void>();
  const collecting = (async () => {
    for await (const { data } of tailStream(nats, streams.results, subjects.result(runId), { signal: stop.signal })) {
      results.push(decodeMessage(RolloutResultSchema, data));
      for (const wake of wakes) wake();
    }
  })();
  cleanups.push(async () => {
    stop.abort();
    await collecting;
  });

  return {
    nats,
    natsUrl: server.url,
    engine,
    policy,
    retrieval,
    reward,
    workers,
    addWorker,
    /** Every result on the stream so far, duplicates included. */
    results: results as readonly RolloutResult[],
    async publish(task: RolloutTask): Promise<void> {
      if (task.composition !== undefined) compositions.set(task.taskId, task.composition);
      await publishMessage(nats, subjects.task(runId, 'train'), RolloutTaskSchema, task, {
        messageId: `${runId}:${task.taskId}:${task.attempt}`,
      });
    },
    publishRaw: (data: Uint8Array) =>
      publishBytes(nats, subjects.task(runId, 'train'), data, { messageId: `raw-${data.length}` }, 'a test'),
    /** The first result of a task, and the reward that a coordinator makes of it. Fails after `timeoutMs` with what there is. */
    async resultOf(taskId: string, timeoutMs = 100_000): Promise<RewardedResult> {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        const found = results.find((result) => result.taskId === taskId);
        if (found !== undefined) {
          const composition = compositions.get(taskId);
          return { ...found, reward: composition && compose(composition, found) };
        }
        if (performance.now() > deadline)
          throw new Error(
            `no result for ${taskId}; there are ${results.map((result) => result.taskId).join(', ') || 'none'}`,
          );
        await new Promise<void>((resolve) => {
          const timer = setTimeout(done, 50);
          function done(): void {
            clearTimeout(timer);
            wakes.delete(done);
            resolve();
          }
          wakes.add(done);
        });
      }
    },
    async trajectoryOf(result: RolloutResult): Promise<Trajectory> {
      return await decodeTrajectory(await getMessage(nats, streams.trajectories, Number(result.trajectorySequence)));
    },
    async tasksLeft(): Promise<number> {
      return (await nats.jsm.streams.info(streams.tasks)).state.messages;
    },
    async deadLetters(): Promise<{ reason: string; data: Uint8Array }[]> {
      const { messages, last_seq: last } = (await nats.jsm.streams.info(streams.deadLetters)).state;
      const letters: { reason: string; data: Uint8Array }[] = [];
      for (let seq = last - messages + 1; seq <= last; seq += 1) {
        const letter = await nats.jsm.direct.getMessage(streams.deadLetters, { seq });
        if (letter !== null) letters.push({ reason: letter.header.get('Gradus-Reason'), data: letter.data });
      }
      return letters;
    },
    /** The NATS process ends and comes back on its port with its files. */
    async restartNats(downMs: number): Promise<void> {
      await server.stop();
      await new Promise((resolve) => setTimeout(resolve, downMs));
      server = await startNatsServer({ storeDirectory: join(directory, 'nats'), port: server.port });
    },
    async [Symbol.asyncDispose]() {
      for (let next = cleanups.pop(); next !== undefined; next = cleanups.pop()) await next();
    },
  };
}

export type RewardedResult = RolloutResult & { readonly reward: number | undefined };
export type RolloutFleet = Awaited<ReturnType<typeof startRolloutFleet>>;

/** Starts a fleet that ends with its test; one per test. */
export function useRolloutFleet(): (options: FleetOptions) => Promise<RolloutFleet> {
  let fleet: RolloutFleet | undefined;
  afterEach(async () => {
    await fleet?.[Symbol.asyncDispose]();
    fleet = undefined;
  });
  return async (options) => {
    fleet = await startRolloutFleet(options);
    return fleet;
  };
}
