import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { normalizeAnswer } from '#answer/normalize-answer.ts';
import { startRewardUnderTest } from '../service-under-test.ts';
import { itemFor } from './scorers-under-test.ts';

const examples = join(import.meta.dirname, '../../../recipes/scorers');

async function startExampleServer(): Promise<string> {
  const child = spawn('python3', [join(examples, 'answer_length.py'), '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return url;
}

describe('the examples of the documentation', () => {
  test('score, each with its settings', async () => {
    const url = await startExampleServer();
    await using service = await startRewardUnderTest(
      {},
      {
        scorers: {
          few_calls: { kind: 'typescript', path: join(examples, 'few_calls.ts') },
          exact_answer: { kind: 'python', path: join(examples, 'exact_answer.py'), groundTruth: 'target' },
          answer_length: { kind: 'http', url },
        },
      },
    );
    const scorers = (freeCalls: number, most: number) => [
      { name: 'few_calls', settingsJson: JSON.stringify({ free_calls: freeCalls }) },
      { name: 'exact_answer' },
      { name: 'answer_length', settingsJson: JSON.stringify({ most }) },
    ];
    const { scores } = await service.reward.score({
      items: [
        { ...itemFor('', 'the city of light'), scorers: scorers(0, 100) },
        { ...itemFor('', 'Rome'), scorers: scorers(1, 3) },
      ],
    });
    expect(scores).toMatchObject([
      { components: { few_calls: 0.5, exact_answer: 1, answer_length: 1 } },
      { components: { few_calls: 1, exact_answer: 0, answer_length: 0 } },
    ]);
  });

  test('exact_answer.py gives what exact_match gives, on generated pairs', async () => {
    await using service = await startRewardUnderTest(
      {},
      { scorers: { exact_answer: { kind: 'python', path: join(examples, 'exact_answer.py'), groundTruth: 'target' } } },
    );
    const words = [
      'the',
      'The',
      'a',
      'an',
      'A.',
      '1,000',
      '3.5',
      '“Paris”',
      'École',
      'İstanbul',
      '中a',
      'x-y',
      'U.S.',
      '—',
    ];
    let state = 7;
    const draw = (count: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * count);
    };
    const text = (): string => Array.from({ length: 1 + draw(3) }, () => words[draw(words.length)]).join(' ');
    const items = Array.from({ length: 1000 }, (_, index) => {
      const gold = `${text()} London`;
      const answer = draw(2) === 0 ? text() : [gold.toUpperCase(), `The ${gold}`, `${gold}!`, `${gold}s`][draw(4)];
      return itemFor('exact_answer', answer ?? '', {
        id: String(index),
        answers: [text(), gold].filter(normalizes),
      });
    });
    const { scores } = await service.reward.score({ items });
    const different = scores.filter(({ components }) => components['exact_answer'] !== components['exact_match']);
    expect(different.map(({ id }) => items[Number(id)]?.turns?.at(-1)?.text)).toEqual([]);
    const right = scores.filter(({ components }) => components['exact_match'] === 1).length;
    expect(right).toBeGreaterThan(100);
    expect(right).toBeLessThan(900);
  });
});

function normalizes(text: string): boolean {
  return normalizeAnswer(text) !== '';
}
