/**
 * What scoring costs: exact match and F1 of pairs in one process, rows of a file in one process, and rollouts a second through gRPC in
 * batches to a service of its own: by rule, and with a custom scorer of each kind that does next to nothing. JSON on stdout.
 *
 *     npx node bench/reward.ts [--questions FILE] [--seconds N] [--clients N]
 *
 * Answers are those of MuSiQue questions; without them, generated ones. Rates are given per second of wall clock and per second
 * of processor time, which does not suffer from what else runs on the machine.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { z } from 'zod';
import type { ScoreItemSchema } from '#proto/reward/v1/reward_pb.ts';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { answerScores } from '#answer/answer-scores.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { machineFacts } from '#platform/runtime/machine-facts.ts';
import { createRowScorer } from '../services/cli/answer-rows/score-rows.ts';
import { goldRow } from '../tests/fixtures/gold-item.ts';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({
  options: {
    questions: { type: 'string', default: join(root, 'data/musique/questions.jsonl') },
    seconds: { type: 'string', default: '3' },
    clients: { type: 'string', default: '4' },
  },
});
const seconds = z.coerce.number().positive().parse(values.seconds);
const clients = z.coerce.number().int().min(1).max(1000).parse(values.clients);
const batchItems = 128;

interface Pair {
  readonly prediction: string;
  readonly answers: readonly string[];
}

/** A third right, a third next to it, a third of another question, each against answer and aliases. */
function readPairs(): { readonly pairs: readonly Pair[]; readonly from: string } {
  const gold = existsSync(values.questions)
    ? readFileSync(values.questions, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => z.object({ answer: z.string(), answer_aliases: z.array(z.string()) }).parse(JSON.parse(line)))
        .map((row) => [row.answer, ...row.answer_aliases])
    : Array.from({ length: 300 }, (_, index) => [`The ${index} Kings of Norway`, `Kings no. ${index}`]);
  const pairs = gold.flatMap((answers, index): Pair[] => [
    { prediction: `${answers[0]?.toUpperCase()}.`, answers },
    { prediction: `It was the ${answers.at(-1)}`, answers },
    { prediction: gold[(index * 7 + 1) % gold.length]?.[0] ?? '', answers },
  ]);
  return { pairs, from: existsSync(values.questions) ? 'MuSiQue' : 'generated' };
}

interface Rate {
  readonly perSecond: number;
  readonly perCpuSecond: number;
}

function rateOf(count: number, elapsedMs: number, cpuSeconds: number): Rate {
  return { perSecond: Math.round((count / elapsedMs) * 1000), perCpuSecond: Math.round(count / cpuSeconds) };
}

function measurePairs(pairs: readonly Pair[]): Rate & { readonly meanF1: number } {
  const round = (): number =>
    pairs.reduce((sum, { prediction, answers }) => sum + answerScores(prediction, answers).f1, 0);
  for (let warm = 0; warm < 20; warm += 1) round();
  let count = 0;
  let sum = 0;
  const cpu = process.cpuUsage();
  const started = performance.now();
  while (performance.now() - started < seconds * 1000) {
    sum += round();
    // A pair is a prediction and one answer: aliases are pairs of their own.
    count += pairs.length;
  }
  return { ...rateOf(count, performance.now() - started, cpuSecondsSince(cpu)), meanF1: sum / count };
}

async function measureRows(pairs: readonly Pair[]): Promise<Rate> {
  const scorer = createRowScorer({ metric: 'musique', settings: '', source: 'bench', onBadRow: 'stop' });
  const texts = pairs.map((pair, id) => JSON.stringify({ id, ...pair }));
  const cpu = process.cpuUsage();
  const started = performance.now();
  async function* lines() {
    for (let number = 1; performance.now() - started < seconds * 1000; number += 1) {
      yield { text: texts[number % texts.length] ?? '', number };
    }
  }
  let count = 0;
  for await (const _ of scorer.scoreLines(lines())) count += 1;
  return rateOf(count, performance.now() - started, cpuSecondsSince(cpu));
}

function cpuSecondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** A rollout of three searches, two pages and an answer, as workers send them. */
function itemOf(
  { prediction, answers }: Pair,
  index: number,
  custom: readonly string[],
): MessageInitShape<typeof ScoreItemSchema> {
  const call = (name: string, pages: number) => ({
    text: `<tool>{"name": "${name}", "args": {"query": "who was the king of Norway in ${index}"}}</tool>`,
    action: {
      case: 'toolCall' as const,
      value: {
        name,
        succeeded: true,
        argumentsJson: '{"query":"who was the king of Norway"}',
        result: 'A page of some length. '.repeat(pages * 6),
        factsJson: JSON.stringify({ page_titles: Array.from({ length: pages }, (_, page) => `A page ${page}`) }),
      },
    },
  });
  return {
    id: `task-${index}`,
    row: goldRow({
      answers,
      question: `Who was the king of Norway when the author of book ${index} was born?`,
      supportTitles: ['A page 3', 'Another page'],
    }),
    turns: [
      call('websearch', 10),
      call('scrape', 1),
      call('websearch', 10),
      call('scrape', 1),
      call('websearch', 10),
      { text: `<answer>${prediction}</answer>`, action: { case: 'answer', value: { text: prediction } } },
    ],
    scorers: [
      { name: 'exact_match' },
      { name: 'tool_success' },
      { name: 'format' },
      { name: 'gold_found', settingsJson: '{"mode":"any"}' },
      ...custom.map((name) => ({ name })),
    ],
    tokens: { prompt: 200, model: 300, environment: 3000 },
  };
}

/** `scorers`: as in the service's config; each scores every rollout. Processor time is that of the service alone. */
async function measureGrpc(pairs: readonly Pair[], scorers: Readonly<Record<string, object>> = {}) {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(root, 'services/reward/main.ts'), '--log-level', 'warn'],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, GRADUS_SCORERS: JSON.stringify(scorers) } },
  );
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const { grpc, metrics } = z.object({ grpc: z.string(), metrics: z.string() }).parse(JSON.parse(line));
    const reward = createGrpcClient(RewardService, grpc, { timeoutMs: 60_000 });
    const items = Array.from({ length: batchItems }, (_, at) =>
      itemOf(pairs[at % pairs.length] ?? { prediction: '', answers: [] }, at, Object.keys(scorers)),
    );
    for (let warm = 0; warm < 20; warm += 1) await reward.score({ items });
    const latencies: number[] = [];
    const cpuOf = async (): Promise<number> =>
      Number(/^process_cpu_seconds_total (\S+)$/m.exec(await (await fetch(`http://${metrics}/metrics`)).text())?.[1]);
    const cpuBefore = await cpuOf();
    const started = performance.now();
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (performance.now() - started < seconds * 1000) {
          const before = performance.now();
          const { scores } = await reward.score({ items });
          const scored = scores.filter(({ absent }) => Object.keys(absent).length === 0).length;
          if (scored !== batchItems) throw new Error(`asked for ${batchItems} scores, got ${scored}`);
          latencies.push(performance.now() - before);
        }
      }),
    );
    const elapsedMs = performance.now() - started;
    const rate = rateOf(latencies.length * batchItems, elapsedMs, (await cpuOf()) - cpuBefore);
    reward.close();
    const sorted = latencies.toSorted((a, b) => a - b);
    const at = (share: number): number =>
      Math.round((sorted[Math.floor(share * (sorted.length - 1))] ?? NaN) * 10) / 10;
    return { ...rate, callP50Ms: at(0.5), callP99Ms: at(0.99) };
  } finally {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }
}

/** A custom scorer of each kind: two processes, or 32 calls at once to a server in this process. */
async function measureCustom(pairs: readonly Pair[]) {
  const folder = mkdtempSync(join(tmpdir(), 'gradus-bench-'));
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end('{"score": 1}'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = z.object({ port: z.int() }).parse(server.address());
  try {
    const typescript = join(folder, 'one.ts');
    const python = join(folder, 'one.py');
    writeFileSync(typescript, 'export default { score: ({ turns }) => turns.length > 0 };\n');
    writeFileSync(
      python,
      'def compute_score(data_source, solution_str, ground_truth, extra_info):\n    return len(solution_str) > 0\n',
    );
    // Generous: it is not to be measured how often a busy machine is late.
    const limits = { timeoutMs: 60_000, queue: 65_536 };
    return {
      typescript: await measureGrpc(pairs, { one: { kind: 'typescript', path: typescript, ...limits } }),
      python: await measureGrpc(pairs, { one: { kind: 'python', path: python, ...limits } }),
      http: await measureGrpc(pairs, { one: { kind: 'http', url: `http://127.0.0.1:${address.port}/`, ...limits } }),
    };
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  }
}

const machine = machineFacts();
const { pairs, from } = readPairs();
const answersPerPrediction = pairs.reduce((sum, { answers }) => sum + answers.length, 0) / pairs.length;
const report = {
  bench: 'reward',
  machine,
  settings: { seconds, clients, batchItems, predictions: pairs.length, answersPerPrediction, from },
  goals: { pairsPerSecond: 100_000, rolloutsPerSecond: 5000 },
  /** A prediction with its one answer. */
  pairs: measurePairs(pairs.map(({ prediction, answers }) => ({ prediction, answers: answers.slice(0, 1) }))),
  /** A prediction with all of its answers. */
  predictions: measurePairs(pairs),
  rowsOfFile: await measureRows(pairs),
  rolloutsOverGrpc: await measureGrpc(pairs),
  /** The same with one custom scorer more. */
  rolloutsWithCustomScorer: await measureCustom(pairs),
};
process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
