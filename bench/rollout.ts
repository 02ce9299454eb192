/**
 * Rollouts per second through the whole path, every service a process of its own: JetStream on disk -> worker -> gateway ->
 * scripted engine (no latency unless asked), real retrieval and reward -> JetStream. Three turns: search, scrape, answer.
 *
 *   npx node bench/rollout.ts [--rollouts 3000] [--concurrency 256] [--latency-ms 0] [--workers 1] [--out FILE]
 *
 * Prints one JSON object. `cpuSeconds` are user + system time of each process over the measured part.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { Purpose, RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { connectNats } from '#shared/nats/connect.ts';
import { decodeMessage, tailStream } from '#shared/nats/messages.ts';
import { startNatsServer } from '#shared/nats/nats-server.ts';
import { publishMessage } from '#shared/nats/publish.ts';
import { ensureStreams, streams, subjects } from '#shared/nats/streams.ts';
import { mapConcurrent } from '#shared/async/map-concurrent.ts';
import { createLogger } from '#shared/telemetry/logging.ts';
import { machineFacts } from './machine-facts.ts';
import { startScriptedEngine } from '../tests/fakes/scripted-engine.ts';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({
  options: {
    rollouts: { type: 'string', default: '3000' },
    concurrency: { type: 'string', default: '256' },
    workers: { type: 'string', default: '1' },
    'latency-ms': { type: 'string', default: '0' },
    out: { type: 'string' },
  },
});
const rollouts = Number(values.rollouts);
const latencyMs = Number(values['latency-ms']);
const warmUp = Math.min(300, rollouts);
const runId = 'bench';

const script = [
  '<tool>{"name": "websearch", "args": {"query": "Halvard Brontley"}}</tool>',
  '<tool>{"name": "scrape", "args": {"id": "0042"}}</tool>',
  '<answer> Verland Coast </answer>',
];

const directory = await mkdtemp(join(tmpdir(), 'gradus-bench-'));
const log = createLogger({ service: 'bench', level: 'error' });
const stop = new AbortController();
const children = new Map<string, ChildProcess>();

async function serve(name: string, service: string, flags: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [join(root, `services/${service}/main.ts`), ...flags, '--log-level', 'error'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.set(name, child);
  const lines = createInterface({ input: child.stdout });
  const [line] = await new Promise<string[]>((resolve, reject) => {
    lines.once('line', (text) => resolve([text]));
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}`)));
  });
  const parsed: unknown = JSON.parse(line ?? '{}');
  if (typeof parsed === 'object' && parsed !== null && 'grpc' in parsed && typeof parsed.grpc === 'string')
    return parsed.grpc;
  throw new Error(`${name} printed no address: ${line}`);
}

/** User + system time of a process so far, in seconds, and its resident memory in MiB (Linux). */
function usage(pid: number): { seconds: number; residentMebibytes: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const ticksPerSecond = 100;
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return {
    seconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    residentMebibytes: Math.round((pages * 4096) / 2 ** 20),
  };
}

const nameOf = (i: number): string => `Person${i % 500} Family${Math.floor(i / 500)}`;
const corpus = join(directory, 'corpus.jsonl');
await writeFile(
  corpus,
  Array.from({ length: 2000 }, (_, i) =>
    JSON.stringify({
      id: String(i).padStart(4, '0'),
      title: i === 42 ? 'Halvard Brontley' : nameOf(i),
      text: `${i === 42 ? 'Halvard Brontley' : nameOf(i)} was born in Ostwick Marrow, a town in Verland Coast, founded in ${1000 + (i % 900)}.`,
    }),
  ).join('\n'),
);

const server = await startNatsServer({ storeDirectory: join(directory, 'nats') });
const nats = await connectNats({ url: server.url, name: 'bench', log, signal: stop.signal });
await ensureStreams(nats, { trajectoryMaxBytes: 512 * 1024 * 1024 });
const tokenizer = join(root, 'tests/fixtures/tokenizer/tokenizer.json');
const engine = await startScriptedEngine({
  tokenizer,
  script: ({ turn }) => ({ text: script[turn] ?? '', delayMs: latencyMs }),
});
const [policy, retrieval, reward] = await Promise.all([
  serve('policy', 'policy', ['--engines', engine.address, '--tokenizer', tokenizer]),
  serve('retrieval', 'retrieval', ['--corpus', corpus]),
  serve('reward', 'reward', []),
]);
for (let i = 0; i < Number(values.workers); i += 1) {
  await serve(`worker-${i}`, 'rollout', [
    '--nats-url',
    server.url,
    '--policy',
    policy,
    '--retrieval',
    retrieval,
    '--reward',
    reward,
    '--concurrency',
    values.concurrency,
  ]);
}

const arrived = { count: 0, failed: 0, ids: new Set<string>() };
let wake: (() => void) | undefined;
const collecting = (async () => {
  for await (const { data } of tailStream(nats, streams.results, subjects.result(runId), { signal: stop.signal })) {
    const result = decodeMessage(RolloutResultSchema, data);
    arrived.count += 1;
    arrived.ids.add(result.taskId);
    if (result.reward === undefined) arrived.failed += 1;
    wake?.();
  }
})();

async function play(from: number, count: number): Promise<number> {
  const tasks = Array.from({ length: count }, (_, i) =>
    create(RolloutTaskSchema, {
      runId,
      taskId: `task-${from + i}`,
      groupId: `group-${Math.floor((from + i) / 8)}`,
      stage: 'bench',
      purpose: Purpose.TRAIN,
      environment: 'search',
      question: {
        id: `q${Math.floor((from + i) / 8)}`,
        question: `What is the country of the birthplace of ${nameOf(Math.floor((from + i) / 8))}?`,
        answers: ['Verland Coast'],
      },
      sampling: { temperature: 1, maxNewTokens: 64, seed: BigInt(from + i) },
      limits: {
        contextTokens: 1024,
        maxTurns: 6,
        toolTimeoutMs: 5000,
        turnTimeoutMs: 30_000,
        rolloutTimeoutMs: 120_000,
      },
      rewards: [{ name: 'exact_match', weight: 1 }],
      environmentOptionsJson: '{"topK": 2}',
    }),
  );
  const startedAt = performance.now();
  await mapConcurrent(tasks, 64, (task) =>
    publishMessage(nats, subjects.task(runId, 'train'), RolloutTaskSchema, task, { messageId: task.taskId }),
  );
  const deadline = performance.now() + 300_000;
  while (arrived.ids.size < from + count) {
    if (performance.now() > deadline) throw new Error(`${arrived.ids.size} of ${from + count} results after 300 s`);
    await new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, 100);
    });
  }
  return (performance.now() - startedAt) / 1000;
}

try {
  await play(0, warmUp);
  const pids = new Map([...children].map(([name, child]) => [name, child.pid ?? 0]));
  pids.set('nats', server.pid);
  pids.set('bench (engine, publisher)', process.pid);
  const before = new Map([...pids].map(([name, pid]) => [name, usage(pid)]));
  const seconds = await play(warmUp, rollouts);
  const perProcess = Object.fromEntries(
    [...pids].map(([name, pid]) => {
      const now = usage(pid);
      return [
        name,
        {
          cpuSeconds: Number((now.seconds - (before.get(name)?.seconds ?? 0)).toFixed(2)),
          residentMebibytes: now.residentMebibytes,
        },
      ];
    }),
  );
  const report = {
    bench: 'rollout',
    machine: machineFacts(),
    settings: {
      rollouts,
      concurrency: Number(values.concurrency),
      workers: Number(values.workers),
      latencyMs,
      turns: script.length,
    },
    seconds: Number(seconds.toFixed(2)),
    rolloutsPerSecond: Number((rollouts / seconds).toFixed(1)),
    turnsPerSecond: Number(((rollouts * script.length) / seconds).toFixed(1)),
    lost: warmUp + rollouts - arrived.ids.size,
    duplicated: arrived.count - arrived.ids.size,
    failed: arrived.failed,
    perProcess,
  };
  const text = JSON.stringify(report, undefined, 2);
  process.stdout.write(`${text}\n`);
  if (values.out !== undefined) await writeFile(values.out, `${text}\n`);
} finally {
  stop.abort();
  await collecting;
  for (const child of children.values()) child.kill('SIGTERM');
  await Promise.all(
    [...children.values()].map(async (child) => (child.exitCode === null ? await once(child, 'exit') : undefined)),
  );
  await engine.kill();
  await nats.close();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
}
