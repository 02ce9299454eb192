/**
 * Judges under faults, and groups under a judge that errs. JSON on stdout.
 *
 *     npx node bench/judge.ts [--questions N] [--groups N] [--seed TEXT]
 *
 * The reward service is asked over gRPC; its judge is a scripted HTTP endpoint in a thread of its own, with latency, noise, position
 * bias and faults. Quality is known: sample i of 16 has quality i / 15. At the judge's noise of 0.15 and 0.8 log-odds of bias, two
 * neighbours come out right 61 % of the time (78 % when the better one is shown first, 41 % when the worse one is).
 */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Aggregation, PartialPolicy, Schedule, type ScoreGroupRequestSchema } from '#proto/reward/v1/group_pb.ts';
import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import { machineFacts } from '#platform/runtime/machine-facts.ts';
import { parseGrade } from '../services/reward/judge/questions/grade-answer.ts';
import { startRewardUnderTest } from '../services/reward/service-under-test.ts';
import { startEndpoint } from './judge/start-endpoint.ts';
import { kendall, spearman } from './rank-correlation.ts';
import { goldRow } from '../tests/fixtures/gold-item.ts';

const { values } = parseArgs({
  options: {
    questions: { type: 'string', default: '4000' },
    groups: { type: 'string', default: '20' },
    seed: { type: 'string', default: 'bench' },
  },
});
const questions = z.coerce.number().int().min(1).parse(values.questions);
const groups = z.coerce.number().int().min(1).parse(values.groups);
const { seed } = values;

const concurrentRequests = 200;
const retryReserve = 100;
/** Of four questions, one was asked before. */
const repeatEvery = 4;
const gradeValues = { correct: 1, incorrect: 0, not_attempted: 0 } as const;

interface Asked {
  readonly latencyMs: number;
  readonly value: number | undefined;
  readonly replyId: string;
  readonly source: string;
  readonly absent: string | undefined;
}

async function measureFaults(faultRatio: number, retryRatio: number) {
  await using endpoint = await startEndpoint({
    seed,
    faultRatio,
    faults: ['server_error', 'rate_limited', 'cut', 'garbage', 'malformed', 'hang'],
    retryAfter: '0.02',
    latencyMs: { median: 10, sigma: 0.5 },
  });
  const settings = {
    baseUrl: endpoint.baseUrl,
    model: 'scripted',
    concurrency: concurrentRequests,
    requestTimeoutMs: 3_000,
    itemTimeoutMs: 15_000,
    retryBaseMs: 10,
    retryMaxMs: 200,
    retryRatio,
    retryReserve,
  };
  await using service = await startRewardUnderTest({ main: settings });
  const started = performance.now();
  const asked = await mapConcurrent(
    Array.from({ length: questions }, (_, index) => index),
    concurrentRequests,
    async (index): Promise<Asked> => {
      // Every fourth repeats the question two places before it, which may still be on its way.
      const which = index % repeatEvery === repeatEvery - 1 ? index - 2 : index;
      const text = `answer ${which} quality=${which % 2}`;
      const before = performance.now();
      const { scores } = await service.reward.score({
        items: [
          {
            id: String(index),
            row: goldRow({ question: `What is ${which}?`, answers: ['gold'] }),
            turns: [{ text, action: { case: 'answer', value: { text } } }],
            judged: [{ name: 'judged', judge: 'main', method: { case: 'grade', value: {} } }],
          },
        ],
      });
      const [score] = scores;
      const judgement = score?.judgements['judged'];
      return {
        latencyMs: performance.now() - before,
        value: score?.components['judged'],
        replyId: judgement?.replyId ?? '',
        source: judgement?.source ?? '',
        absent: score?.absent['judged'],
      };
    },
  );
  const elapsedMs = performance.now() - started;
  const { judges } = await service.reward.describe({});
  const { replies, faulted, calls } = await endpoint.report();
  const retries = Number(judges[0]?.retries ?? 0);
  // What was had from the cache, or from a call under way, adds nothing to the budget.
  const ownQuestions = asked.filter(({ source }) => source !== 'cache' && source !== 'shared').length;
  const retryBudget = retryReserve + retryRatio * ownQuestions;
  const latencies = asked.map(({ latencyMs }) => latencyMs).toSorted((a, b) => a - b);
  return {
    faultRatio,
    retryRatio,
    questions: asked.length,
    concurrentRequests,
    seconds: round(elapsedMs / 1000),
    questionsPerSecond: Math.round((asked.length / elapsedMs) * 1000),
    p50Ms: round(latencies[Math.floor(latencies.length / 2)] ?? NaN),
    p95Ms: round(latencies[Math.floor(latencies.length * 0.95)] ?? NaN),
    faultsInjected: Object.fromEntries(faulted),
    calls,
    scored: asked.filter(({ value }) => value !== undefined).length,
    absent: tally(asked.flatMap(({ absent }) => absent ?? [])),
    // A number is invented unless the reply that it names says just that.
    rewardsInvented: asked.filter((one) => isInvented(one, replies)).length,
    absencesWithValue: asked.filter(({ absent, value }) => absent !== undefined && value !== undefined).length,
    cacheHits: asked.filter(({ source }) => source === 'cache').length,
    sharedCalls: asked.filter(({ source }) => source === 'shared').length,
    retries,
    retryBudget: round(retryBudget),
    budgetKept: retries <= retryBudget,
  };
}

function isInvented({ value, replyId }: Asked, replies: ReadonlyMap<string, string>): boolean {
  if (value === undefined) return false;
  const said = replies.get(replyId);
  const grade = said === undefined ? undefined : parseGrade(said);
  return grade === undefined || gradeValues[grade] !== value;
}

function tally(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

const round = (value: number): number => Number(value.toFixed(3));
const mean = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

type Method = NonNullable<MessageInitShape<typeof ScoreGroupRequestSchema>['method']>;
type Pairwise = Extract<Method, { case: 'pairwise' }>['value'];

const samples = 16;
const known = Array.from({ length: samples }, (_, index) => index / (samples - 1));

const pairwise = (value: Pairwise): Method => ({ case: 'pairwise', value });
const listwise = (passes: number): Method => ({ case: 'listwise', value: { passes } });
const winRate = { aggregation: Aggregation.WIN_RATE };

const methods: Readonly<Record<string, Method>> = {
  'all pairs, both orders, Bradley-Terry': pairwise({}),
  'all pairs, both orders, win rate': pairwise(winRate),
  'all pairs, one order, Bradley-Terry': pairwise({ oneOrder: true }),
  'all pairs, one order, win rate': pairwise({ oneOrder: true, ...winRate }),
  'budget of 60 pairs, both orders, Bradley-Terry': pairwise({ schedule: Schedule.BUDGET, pairs: 60 }),
  'budget of 60 pairs, both orders, win rate': pairwise({ schedule: Schedule.BUDGET, pairs: 60, ...winRate }),
  'Swiss, 4 rounds, both orders, Bradley-Terry': pairwise({ schedule: Schedule.SWISS }),
  'Swiss, 4 rounds, both orders, win rate': pairwise({ schedule: Schedule.SWISS, ...winRate }),
  'circular, 2 neighbours, both orders, Bradley-Terry': pairwise({ schedule: Schedule.CIRCULAR, rounds: 2 }),
  'circular, 2 neighbours, both orders, win rate': pairwise({ schedule: Schedule.CIRCULAR, rounds: 2, ...winRate }),
  'budget of 64 pairs, one order, Bradley-Terry': pairwise({ schedule: Schedule.BUDGET, pairs: 64, oneOrder: true }),
  'Swiss, 8 rounds, one order, Bradley-Terry': pairwise({ schedule: Schedule.SWISS, rounds: 8, oneOrder: true }),
  'list, 1 pass': listwise(1),
  'list, 3 passes': listwise(3),
  'list, 8 passes': listwise(8),
};

async function measureGroups(name: string, method: Method) {
  const latencyMs = { median: 10, sigma: 0.5 };
  await using endpoint = await startEndpoint({ seed, noise: 0.15, positionBias: 0.8, latencyMs });
  await using service = await startRewardUnderTest({ main: { baseUrl: endpoint.baseUrl, model: 'scripted' } });
  const runs = [];
  for (let group = 0; group < groups; group += 1) {
    const started = performance.now();
    const response = await service.reward.scoreGroup({
      id: String(group),
      // Another question draws other errors of the judge.
      question: `Which is better, in group ${group}?`,
      judge: 'main',
      seed: BigInt(group),
      partial: PartialPolicy.ABSENT,
      method,
      samples: known.map((quality, index) => {
        const text = `answer ${index} quality=${quality.toFixed(4)}`;
        return { id: String(index), turns: [{ text, action: { case: 'answer', value: { text } } }] };
      }),
    });
    const scores = response.scores.map(({ score }) => score ?? NaN);
    runs.push({
      milliseconds: performance.now() - started,
      kendall: kendall(known, scores),
      spearman: spearman(known, scores),
      positionBias: response.positionBias,
      inconsistency: response.inconsistency,
    });
  }
  return {
    name,
    callsPerGroup: (await endpoint.report()).calls / groups,
    milliseconds: round(mean(runs.map((run) => run.milliseconds))),
    kendall: round(mean(runs.map((run) => run.kendall))),
    spearman: round(mean(runs.map((run) => run.spearman))),
    positionBias: round(mean(runs.map((run) => run.positionBias))),
    inconsistency: round(mean(runs.map((run) => run.inconsistency))),
  };
}

// A process that has just started answers late, which is not what is measured.
await measureFaults(0, 0.25);
const faults = [];
for (const [faultRatio, retryRatio] of [
  [0, 0.25],
  [0.2, 0.25],
  [0.2, 0.5],
  [1, 0.25],
] as const) {
  faults.push(await measureFaults(faultRatio, retryRatio));
}
const measured = [];
for (const [name, method] of Object.entries(methods)) measured.push(await measureGroups(name, method));
process.stdout.write(
  `${JSON.stringify({ machine: machineFacts(), faults, groups: { samples, groups, methods: measured } }, null, 2)}\n`,
);
