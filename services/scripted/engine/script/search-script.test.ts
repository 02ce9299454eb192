import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { GenerateRequestSchema } from '#proto/policy/v1/policy_pb.ts';
import { createRandom } from '#platform/random.ts';
import { drawLatencyMs } from '../../latency.ts';
import { createQuestionIndex } from './question-index.ts';
import { createSearchScript } from './search-script.ts';

const questions = [
  { question: 'ab', answer: 'first', titles: ['Abel'], pageIds: ['17'] },
  { question: 'abc', answer: 'second', titles: ['Abc', 'Other'], pageIds: ['4', '9'] },
];
const encode = (text: string): number[] => Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
const index = createQuestionIndex(questions, encode);
const none = { latencyMedianMs: 0, latencySigma: 0, latencyMaxMs: 1000 };
const unknown: number[] = [];
const script = (rightProbability: number, turns = 3) =>
  createSearchScript({
    ...none,
    questions: index,
    codec: 'xml',
    turns,
    rightProbability,
    onUnknownPrompt: () => void unknown.push(1),
  });

function turnOf(text: string, turn: number, seed = 1n) {
  const request = create(GenerateRequestSchema, { tokenIds: encode(text), sampling: { seed } });
  return { request, turn, signal: new AbortController().signal };
}

test('the question with the longest prompt that the sequence begins with is found', () => {
  expect(index.find(encode('abx'))?.answer).toBe('first');
  expect(index.find(encode('abcx'))?.answer).toBe('second');
  expect(index.find(encode('xab'))).toBeUndefined();
  expect(index.find(encode('a'))).toBeUndefined();
});

test('a rollout searches for a fact, reads its page, goes on to the next, and answers in its last turn', async () => {
  const play = script(1, 5);
  const texts = await Promise.all([0, 1, 2, 3, 4].map(async (turn) => (await play(turnOf('abc …', turn))).text));
  expect(texts).toEqual([
    '<tool>{"name": "websearch", "args": {"query": "Abc"}}</tool>',
    '<tool>{"name": "scrape", "args": {"id": "4"}}</tool>',
    '<tool>{"name": "websearch", "args": {"query": "Other"}}</tool>',
    '<tool>{"name": "scrape", "args": {"id": "9"}}</tool>',
    '<answer> second</answer>',
  ]);
});

test('P8: the same turn has the same answer on every engine, and another seed has another', async () => {
  const answers = async () =>
    await Promise.all(
      Array.from({ length: 200 }, async (_, seed) => await script(0.5)(turnOf('abc', 2, BigInt(seed)))),
    );
  expect(await answers()).toEqual(await answers());
  const right = (await answers()).filter(({ text }) => text === '<answer> second</answer>').length;
  // Half of the answers are meant to be right, and half of the others by chance: 150 of 200, within five deviations.
  expect(right).toBeGreaterThan(119);
  expect(right).toBeLessThan(181);
});

test('a prompt that is none of the questions is played all the same, and counted', async () => {
  expect((await script(1)(turnOf('zzz', 2))).text).toBe('<answer> unknown</answer>');
  expect(unknown).toHaveLength(1);
});

test('the time of a turn is log-normal: half are below the median, and the tail is long but bounded', () => {
  const random = createRandom('latency');
  const options = { latencyMedianMs: 100, latencySigma: 1, latencyMaxMs: 5_000 };
  const draws = Array.from({ length: 4_000 }, () => drawLatencyMs(options, random)).sort((a, b) => a - b);
  const share = (limit: number) => draws.filter((ms) => ms < limit).length / draws.length;
  expect(share(100)).toBeCloseTo(0.5, 1);
  // One standard deviation of the logarithm up: 84.1 %; 2.326 up: 99 %.
  expect(share(100 * Math.E)).toBeCloseTo(0.841, 1);
  expect(share(100 * Math.exp(2.326))).toBeCloseTo(0.99, 1);
  expect(Math.max(...draws)).toBeLessThanOrEqual(5_000);
  expect(drawLatencyMs({ ...options, latencySigma: 0 }, random)).toBe(100);
  expect(drawLatencyMs({ ...options, latencyMedianMs: 0 }, random)).toBe(0);
});
