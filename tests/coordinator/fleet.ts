import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import { type DescribeResponse, DescribeResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { connectNats } from '#platform/nats/connect.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { decodeMessage } from '#platform/nats/messages.ts';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import type { NatsServer } from '#platform/nats/nats-server.ts';
import { ensureStreams, streams, subjects } from '#platform/nats/streams.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { resolvedRecipeJson, resolveRecipe } from '#recipe/resolve-recipe.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { tailStream } from '#platform/nats/tail.ts';
import type { CoordinatorConfig } from '../../services/coordinator/config.ts';
import { coordinatorConfig } from '../../services/coordinator/config.ts';
import { startCoordinator } from '../../services/coordinator/service.ts';
import { startScriptedLearner, weightsOf } from '../fakes/scripted-learner.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';
import { playWorker, rewardOf } from './played-worker.ts';
import type { Worker } from './played-worker.ts';
import { startInProcess } from '../rollout/fleet.ts';

const log = createLogger({ service: 'test', level: 'silent' });

export interface CoordinatorFleetOptions {
  /** Files that stages name, by `STAGE/FILE`. */
  readonly stageFiles?: Readonly<Record<string, string>>;
  readonly recipe: string;
  readonly worker?: Worker;
  /** What the policy says besides its version. */
  readonly described?: () => DescribeResponse;
  /** Config of every coordinator. */
  readonly config?: Partial<CoordinatorConfig>;
}

/** A coordinator on real NATS and real gRPC; learner and policy are scripted, and the test plays the worker. */
export async function startCoordinatorFleet(options: CoordinatorFleetOptions) {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-coordinator-'));
  const stop = new AbortController();
  const cleanups: (() => unknown)[] = [() => rm(directory, { recursive: true, force: true, maxRetries: 5 })];
  let server: NatsServer = await startNatsServer({
    storeDirectory: join(directory, 'nats'),
    port: await lastingPort(),
  });
  cleanups.unshift(() => server.stop());
  const nats: Nats = await connectNats({ url: server.url, name: 'test', log, signal: stop.signal });
  cleanups.unshift(() => nats.close());
  await ensureStreams(nats, { trajectoryMaxBytes: 64 * 1024 * 1024 });
  const learner = await startScriptedLearner();
  cleanups.unshift(() => learner.close());

  const loaded: { version: number; weightsPath: string; epoch: number }[] = [];
  const current = () => loaded.at(-1)?.version ?? 0;
  const policyServer = createGrpcServer({ log, metrics: createMetrics() });
  policyServer.add(PolicyService, {
    describe: async () => ({
      ...(options.described?.() ?? create(DescribeResponseSchema)),
      version: BigInt(current()),
      weightsPath: loaded.at(-1)?.weightsPath ?? '',
    }),
    tokenize: async () => ({ tokenIds: [] }),
    generate: async () => ({}),
    addEngine: async () => ({}),
    removeEngine: async () => ({}),
    registerSessions: async () => ({}),
    async loadVersion(request) {
      const version = Number(request.version);
      if (version < current())
        throw new TerminalError('invalid_argument', `version ${version} is older than ${current()}`);
      const epoch = Number(request.epoch);
      const highest = Math.max(0, ...loaded.map((load) => load.epoch));
      if (epoch < highest) throw new TerminalError('failed_precondition', `epoch ${epoch} after ${highest}`);
      loaded.push({ version, weightsPath: request.weightsPath, epoch });
      return { version: request.version, carriedOver: 0 };
    },
  });
  const policyAddress = await policyServer.listen('127.0.0.1:0');
  cleanups.unshift(() => policyServer.drain(500));

  const model = join(directory, 'model');
  await mkdir(model);
  for (const file of ['config.json', 'tokenizer.json']) await writeFile(join(model, file), `{"${file}": 0}`);
  await writeFile(join(model, 'model.safetensors'), weightsOf(0));
  const paths = {
    model,
    train: join(directory, 'train.jsonl'),
    held_out: join(directory, 'held-out.jsonl'),
    corpus: join(directory, 'corpus.jsonl'),
    ...(options.stageFiles !== undefined && { stages: options.stageFiles }),
  };
  await writeFile(paths.train, questionLines('train', 40));
  await writeFile(paths.held_out, questionLines('held', 6));

  const seen: RolloutTask[] = [];
  let worker: Worker = options.worker ?? ((task) => ({ result: { reward: rewardOf(task) } }));
  const play = () =>
    playWorker(nats, { seen, currentVersion: current, worker: (task, version) => worker(task, version) });
  let player = play();
  cleanups.unshift(() => player.stop());

  async function addCoordinator(overrides: Partial<CoordinatorConfig> = {}) {
    const started = await startInProcess(startCoordinator, coordinatorConfig, {
      natsUrl: server.url,
      policy: policyAddress,
      learner: learner.address,
      maxOutageMs: 60_000,
      ...options.config,
      ...overrides,
    });
    const client = createGrpcClient(CoordinatorService, started.address, { timeoutMs: 120_000 });
    cleanups.unshift(async () => {
      client.close();
      await started.stop();
    });
    return { client, metrics: started.metrics, stop: () => started.stop(), address: started.address };
  }
  const coordinator = await addCoordinator();
  const recipe = parseRecipe(options.recipe, 'test.yaml');
  const recipeJson = resolvedRecipeJson(resolveRecipe(recipe, 'test.yaml', paths));

  const directoryOf = (runId: string) => join(directory, 'runs', runId);
  return {
    nats,
    learner,
    loaded,
    seen,
    coordinator,
    recipeJson,
    directoryOf,
    natsUrl: () => server.url,
    policyAddress,
    setWorker(next: Worker) {
      worker = next;
    },
    handBack: () => player.handBack(),
    pauseWorker: () => player.stop(),
    resumeWorker() {
      player = play();
    },
    addCoordinator,
    async restartNats() {
      const { port } = server;
      await server.stop();
      server = await startNatsServer({ storeDirectory: join(directory, 'nats'), port });
    },
    submit: (runId: string, client = coordinator.client, resume = false) =>
      client.submitRun({ runId, recipeJson: resume ? '' : recipeJson, directory: directoryOf(runId), resume }),
    async ended(runId: string, client = coordinator.client) {
      let last;
      for await (const status of client.watchRun({ runId }, { timeoutMs: 240_000 })) last = status;
      if (last === undefined) throw new Error('no status');
      return last;
    },
    ledger: (runId: string) =>
      readAll(nats, streams.ledger, subjects.ledger(runId), (data): LedgerEntry =>
        decodeMessage(LedgerEntrySchema, data),
      ),
    /** When each message of a stream was stored, by the server's clock, in Unix milliseconds. */
    async storedAt(stream: string, subject: string): Promise<number[]> {
      const times: number[] = [];
      for (let seq = 1; ;) {
        const message = await nats.jsm.direct.getMessage(stream, { seq, next_by_subj: subject });
        if (message === null) return times;
        times.push(message.time.getTime());
        seq = message.seq + 1;
      }
    },
    async summary(runId: string) {
      return JSON.parse(await readFile(join(directoryOf(runId), 'summary.json'), 'utf8'));
    },
    async metricsLines(runId: string) {
      const text = await readFile(join(directoryOf(runId), 'metrics.jsonl'), 'utf8');
      return text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    },
    async stop() {
      for (const cleanup of cleanups.splice(0)) await cleanup();
      stop.abort();
    },
  };
}

async function readAll<T>(nats: Nats, stream: string, subject: string, decode: (data: Uint8Array) => T): Promise<T[]> {
  const last = await nats.jsm.streams.getMessage(stream, { last_by_subj: subject });
  const items: T[] = [];
  if (last === null) return items;
  for await (const message of tailStream(nats, stream, subject, { signal: AbortSignal.timeout(100_000) })) {
    items.push(decode(message.data));
    if (message.sequence >= last.seq) break;
  }
  return items;
}

function questionLines(prefix: string, count: number): string {
  return Array.from({ length: count }, (_, index) => {
    const hops = (index % 3) + 2;
    const decomposition = Array.from({ length: hops }, (_unused, step) => ({
      id: step,
      question: `step ${step}`,
      answer: `a${step}`,
      paragraph_support_idx: 0,
    }));
    return JSON.stringify({
      id: `${hops}hop__${prefix}_${index}`,
      paragraphs: [{ idx: 0, title: 'T', paragraph_text: 'text', is_supporting: true }],
      question: `What is ${prefix} ${index}?`,
      question_decomposition: decomposition,
      answer: `answer ${index}`,
      answer_aliases: [],
      answerable: true,
    });
  }).join('\n');
}
