import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { expect, onTestFinished, test } from 'vitest';
import type { ScoreGroupRequestSchema } from '#proto/reward/v1/group_pb.ts';
import type { JudgedComponentSchema } from '#proto/rollout/v1/judged_pb.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { createLifecycle } from '#platform/runtime/lifecycle.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { createWorld } from '#environments/search/world/create-world.ts';
import { startRewardUnderTest } from '../../services/reward/service-under-test.ts';
import { scriptedJudgeConfig } from '../../services/scripted/judge/config.ts';
import { startScriptedJudge } from '../../services/scripted/judge/service.ts';
import { goldRow } from '../fixtures/gold-item.ts';
import { silentLog } from '../platform/fixtures.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const world = createWorld({ seed: 7, trainEntities: 60, heldOutEntities: 60 });
const rows = world.questions('train', 30);
const answered = (text: string) => [{ text, action: { case: 'answer' as const, value: { text } } }];

const methods: readonly NonNullable<MessageInitShape<typeof ScoreGroupRequestSchema>['method']>[] = [
  { case: 'pairwise', value: {} },
  { case: 'listwise', value: { passes: 1 } },
];

const judged: readonly MessageInitShape<typeof JudgedComponentSchema>[] = [
  { name: 'graded', judge: 'main', method: { case: 'grade', value: {} } },
  {
    name: 'rated',
    judge: 'main',
    method: { case: 'rubric', value: { criteria: [{ name: 'far', description: 'gets far', weight: 1 }] } },
  },
];

/** The reward service with a judge that knows these questions. */
async function start(...flags: readonly string[]) {
  const questions = join(await temporaryDirectory(), 'questions.jsonl');
  await writeFile(questions, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const lifecycle = createLifecycle(silentLog);
  const metrics = createMetrics();
  const config = loadConfig(scriptedJudgeConfig, { argv: ['--questions', questions, ...flags] });
  const { http } = await startScriptedJudge(config, {
    name: 'scripted-judge',
    log: silentLog,
    metrics,
    signal: lifecycle.signal,
    defer: (what, dispose) => lifecycle.defer(what, dispose),
    fail: (error) => lifecycle.fail(error),
  });
  lifecycle.serving();
  const service = await startRewardUnderTest({ main: { baseUrl: `http://${http}/v1`, model: 'scripted' } });
  onTestFinished(async () => {
    await service[Symbol.asyncDispose]();
    lifecycle.stop('the test is over');
    await lifecycle.drain(5_000);
  });
  return { reward: service.reward, metrics };
}

/** A wrong answer, every hop's, and the question's own: worth 0, 1/k .. 1. */
const ladder = (row: (typeof rows)[number]) => ['Nowhere', ...row.question_decomposition.map(({ answer }) => answer)];

test('every kind of question of the reward service is read, and hop i of k is worth i / k', async () => {
  const { reward, metrics } = await start();
  for (const row of rows) {
    const steps = row.question_decomposition.length;
    const about = { question: row.question, answers: [row.answer] };
    const { scores } = await reward.score({
      items: ladder(row).map((text, index) => ({
        id: String(index),
        row: goldRow(about),
        turns: answered(text),
        judged: [...judged],
      })),
    });
    expect(scores.map(({ components }) => components['rated'])).toEqual(
      Array.from({ length: steps + 1 }, (_, hop) => expect.closeTo(hop / steps, 9)),
    );
    expect(scores.map(({ components }) => components['graded'])).toEqual(
      Array.from({ length: steps + 1 }, (_, hop) => (hop / steps >= 0.5 ? 1 : 0)),
    );
    const samples = ladder(row)
      .map((text, index) => ({ id: String(index), turns: answered(text) }))
      .toReversed();
    for (const method of methods) {
      const group = await reward.scoreGroup({ id: 'g', ...about, judge: 'main', samples, method });
      const values = group.scores.map(({ score }) => score ?? NaN);
      expect(values).toEqual(values.toSorted((a, b) => b - a));
      expect(new Set(values).size).toBe(steps + 1);
    }
  }
  expect(await metrics.render()).toContain('gradus_scripted_judge_unknown_questions_total 0');
});

test('a judge that errs orders most answers rightly, and its bias shows', async () => {
  const { reward } = await start('--noise', '0.25', '--position-bias', '1', '--tie-band', '0.1');
  const tally = { right: 0, wrong: 0, bias: 0, contradictions: 0 };
  for (const row of rows) {
    const texts = ladder(row);
    const samples = texts.map((text, index) => ({ id: String(index), turns: answered(text) }));
    const group = await reward.scoreGroup({
      id: 'g',
      question: row.question,
      answers: [row.answer],
      judge: 'main',
      samples,
      method: { case: 'pairwise', value: {} },
    });
    const values = group.scores.map(({ score }) => score ?? NaN);
    for (const [better, high] of values.entries()) {
      for (const low of values.slice(0, better)) tally[high > low ? 'right' : 'wrong'] += 1;
    }
    tally.bias += group.positionBias / rows.length;
    tally.contradictions += group.inconsistency / rows.length;
  }
  expect(tally.right / (tally.right + tally.wrong)).toBeGreaterThan(0.75);
  expect(tally.bias).toBeGreaterThan(0.1);
  expect(tally.contradictions).toBeGreaterThan(0);
});
