import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { normalizeAnswer } from '#answer/normalize-answer.ts';
import type { ChatRequest } from '../../services/scripted/judge/http/chat-request.ts';
import { shownTexts, startScriptedJudge } from '../fakes/scripted-judge.ts';
import { readJson, readJsonLines, startGradus } from './gradus-process.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const root = resolve(import.meta.dirname, '../..');

/**
 * A scripted policy, a judge that knows the gold answer, and a reward that is .9 for a right answer and 0 for a wrong one. Two custom
 * scorers are recorded.
 */
const recipe = (baseUrl: string): string => `
name: composed
seed: 5
model: { path: ${join(root, 'policies/nano')} }
data: { world: { seed: 7, train: 60, held_out: 20 } }
fleet:
  engine: { kind: scripted, max_context: 1024, max_running: 256 }
  learner: { kind: scripted }
  scripted: { turns: 3, right_probability: 0.5, latency_median_ms: 20, step_ms: 50 }
judges: { main: { base_url: ${baseUrl}, model: judge, api_key_env: GRADUS_TEST_JUDGE_KEY } }
scorers:
  correct: { kind: grade, judge: main }
  few_calls: { kind: typescript, path: ${join(root, 'recipes/scorers/few_calls.ts')} }
  exact_answer: { kind: python, path: ${join(root, 'recipes/scorers/exact_answer.py')}, ground_truth: target }
eval: { questions: 6, sampled: true, greedy: false }
environment: { name: search }
stages:
  - name: judged
    limits: { context_tokens: 640, max_new_tokens: 96 }
    rewards: { exact_match: 1, correct: 3, few_calls: { weight: 0, free_calls: 1 }, exact_answer: 0 }
    composition:
      normalize: true
      gates: [{ name: format, at_least: 1, otherwise: 0 }]
      clip: { low: 0, high: 0.9 }
    batch: { groups: 3, group_size: 4, max_generation_batches: 8 }
    until: { steps: 2 }
`;

function gradeByReference(request: ChatRequest): string {
  const shown = shownTexts(request);
  const textsOf = (named: (name: string) => boolean) => shown.filter(({ name }) => named(name)).map(({ text }) => text);
  const references = textsOf((name) => name === 'REFERENCE');
  const [answer = ''] = textsOf((name) => name === 'ANSWER');
  const right = references.some((reference) => normalizeAnswer(reference) === normalizeAnswer(answer));
  return right ? 'A' : 'B';
}

test('P1, P2: a run is trained and evaluated by what its composition makes of rules, a judge and custom scorers', async () => {
  const directory = await temporaryDirectory('gradus-composed-e2e-');
  const judge = await startScriptedJudge({ script: gradeByReference });
  onTestFinished(() => judge[Symbol.asyncDispose]());
  await writeFile(join(directory, 'composed.yaml'), recipe(judge.baseUrl));

  process.env['GRADUS_TEST_JUDGE_KEY'] = 'secret-of-this-test';
  onTestFinished(() => void Reflect.deleteProperty(process.env, 'GRADUS_TEST_JUDGE_KEY'));
  const dry = startGradus(directory, 'run', 'composed.yaml', '--dry-run');
  expect(await dry.exit()).toBe(0);
  expect(dry.output()).toContain(`scorer correct: grade, judge main (judge at ${judge.baseUrl})`);
  expect(dry.output()).toContain('reward of judged: sum / weights, 0 unless format >= 1, at least 0, at most 0.9');

  const run = startGradus(directory, 'run', 'composed.yaml', '--run-id', 'composed');
  expect(await run.exit(), run.output()).toBe(0);
  expect(run.output()).not.toContain('secret-of-this-test');

  const runDirectory = join(directory, 'runs/composed');
  const steps = (await readJsonLines(join(runDirectory, 'metrics.jsonl'))).filter(({ kind }) => kind === 'step');
  expect(steps).toHaveLength(2);
  for (const step of steps) {
    expect(step['reward/exact_match']).toBeGreaterThan(0);
    expect(step['reward/correct']).toBeCloseTo(Number(step['reward/exact_match']), 9);
    expect(step['reward/mean']).toBeCloseTo(0.9 * Number(step['reward/exact_match']), 9);
    expect(step['reward/exact_answer']).toBeCloseTo(Number(step['reward/exact_match']), 9);
    // Two calls, one of them free.
    expect(step['reward/few_calls']).toBe(0.5);
  }
  expect(await readJson(join(runDirectory, 'summary.json'))).toMatchObject({
    state: 'finished',
    rollouts: { lost: 0, duplicated: 0, failedInfra: 0 },
    stages: [
      {
        rewardWeights: { exact_match: 1, correct: 3, few_calls: 0, exact_answer: 0 },
        eval: { before: { n: 6 }, after: { n: 6 } },
      },
    ],
  });
  const evaluations = (await readJsonLines(join(runDirectory, 'metrics.jsonl'))).filter(({ kind }) => kind === 'eval');
  expect(evaluations.length).toBeGreaterThan(0);
  for (const evaluation of evaluations) {
    expect(evaluation['sampled.correct']).toBeCloseTo(Number(evaluation['sampled.exact_match']), 9);
    expect(evaluation['sampled.reward']).toBeCloseTo(0.9 * Number(evaluation['sampled.exact_match']), 9);
  }
  expect(judge.requests[0]?.headers.authorization).toBe('Bearer secret-of-this-test');
});
