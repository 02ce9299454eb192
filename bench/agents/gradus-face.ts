import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { z } from 'zod';
import { RolloutTaskSchema, Purpose } from '#proto/rollout/v1/task_pb.ts';
import { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { programOf, type ServiceName } from '#fleet/service-programs.ts';
import { connectNats } from '#platform/nats/connect.ts';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import { ensureStreams } from '#platform/nats/streams.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { playRollouts } from '../../services/cli/bench/play-rollouts.ts';
import { goldRow } from '../../tests/fixtures/gold-item.ts';
import { startServer, type RunningServer } from '../retrieval/start-server.ts';
import { parseRange } from './delays.ts';
import { playSession, post, type Calls } from './play-session.ts';

export interface GradusOptions {
  readonly sessions: number;
  readonly turns: string;
  /** `LEAST..MOST`, milliseconds. */
  readonly delay: string;
}

const runId = 'bench-agents';
const init = z.object({ base_url: z.string(), api_key: z.string(), session_url: z.string() });

/** NATS, the scripted engine, gateway, reward service and one worker, each a process; agents come by a webhook in this one. */
export async function startGradusFace({ sessions, turns, delay }: GradusOptions) {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'gradus-bench-agents-'));
  stack.defer(async () => await rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  // The scripted engine knows the vocabulary of this tokenizer.
  const model = join(directory, 'tokenizer.json');
  await copyFile(join(repositoryRoot, 'tests/fixtures/tokenizer/tokenizer.json'), model);
  await copyFile(join(repositoryRoot, 'policies/nano/chat_template.jinja'), join(directory, 'chat_template.jinja'));
  const stop = new AbortController();
  const processes: { label: string; pid: number }[] = [];

  async function start(label: string, command: string, args: readonly string[]): Promise<RunningServer> {
    const server = stack.use(await startServer(command, args));
    processes.push({ label, pid: server.pid });
    return server;
  }
  async function startService(name: ServiceName, flags: Readonly<Record<string, string>>): Promise<string> {
    const { command, args } = programOf(name);
    const given = Object.entries({ grpc: '127.0.0.1:0', metrics: '127.0.0.1:0', 'log-level': 'warn', ...flags });
    const server = await start(name, command, [...args, ...given.flatMap(([flag, value]) => [`--${flag}`, value])]);
    return server.addresses['grpc'] ?? '';
  }

  const server = await startNatsServer({ storeDirectory: join(directory, 'nats') });
  stack.defer(async () => await server.stop());
  processes.push({ label: 'nats', pid: server.pid });
  const log = createLogger({ service: 'bench', level: 'error' });
  const nats = await connectNats({ url: server.url, name: 'bench', log, signal: stop.signal });
  stack.defer(async () => await nats.close());
  await ensureStreams(nats);
  const engine = await start('engine', process.execPath, [
    join(import.meta.dirname, 'engine-process.ts'),
    model,
    turns,
    delay,
  ]);
  const policy = await startService('policy', {
    engines: engine.addresses['grpc'] ?? '',
    tokenizer: model,
    // By default a gateway holds back what is more than 512 at once, and the bench would measure that line.
    'max-in-flight-per-engine': String(sessions),
  });
  const reward = await startService('reward', {});
  await startService('rollout', {
    'nats-url': server.url,
    policy,
    reward,
    concurrency: String(sessions),
    'worker-id': 'bench',
  });

  let calls: Calls | undefined;
  let begun = 0;
  const webhook = createServer((request, response) => {
    void (async () => {
      const { base_url: baseUrl, api_key: key, session_url: url } = init.parse(await json(request));
      response.end('{}');
      // Not all in the same moment.
      await sleep((parseRange(delay).least * (begun++ % sessions)) / sessions);
      if (calls !== undefined) await playSession(baseUrl, key, calls);
      await post(`${url}/result`, key, {});
    })();
  });
  await new Promise<void>((done) => webhook.listen(0, '127.0.0.1', 4096, done));
  stack.defer(() => {
    webhook.closeAllConnections();
    webhook.close();
  });
  const bound = webhook.address();
  const hook = `http://127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}/`;

  const weights = [{ name: 'exact_match', weight: 1 }];
  const row = goldRow({ id: 'q', question: 'Where?', answers: ['there'], hops: 1 });
  const taskAt = (index: number) =>
    create(RolloutTaskSchema, {
      runId,
      taskId: `session-${index}`,
      groupId: `group-${index}`,
      stage: 'bench',
      purpose: Purpose.TRAIN,
      environment: 'agent',
      environmentOptionsJson: JSON.stringify({ webhook: { url: hook }, start_timeout_ms: 600_000 }),
      row,
      sampling: { temperature: 1, maxNewTokens: 256, seed: BigInt(index) },
      limits: {
        contextTokens: 16_384,
        maxTurns: Number(turns) + 1,
        toolTimeoutMs: 120_000,
        turnTimeoutMs: 300_000,
        rolloutTimeoutMs: 1_800_000,
      },
      scorers: [{ name: 'exact_match' }],
      composition: { weights },
    });
  const owned = stack.move();
  return {
    processes,
    async play(into: Calls): Promise<void> {
      calls = into;
      const { tally } = await playRollouts({
        nats,
        runId,
        composition: create(CompositionSchema, { weights }),
        taskAt,
        from: 0,
        count: sessions,
        maxOpen: sessions,
        silenceMs: 300_000,
        signal: stop.signal,
        onResult: () => {},
      });
      const { failures, duplicated } = tally.counts();
      for (const [name, times] of Object.entries({ ...failures, ...(duplicated > 0 && { duplicated }) }))
        into.errors.push(`${times} rollouts: ${name}`);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort();
      await owned.disposeAsync();
    },
  };
}
