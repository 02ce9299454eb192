import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createSynthetic, syntheticQuestions, wordOf, writeSyntheticCorpus } from './synthetic-corpus.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

test('every rank has a word of its own', () => {
  const words = Array.from({ length: 200_000 }, (_, rank) => wordOf(rank));
  expect(new Set(words).size).toBe(words.length);
});

test('the same seed writes the same bytes, another seed other ones', async () => {
  const directory = await temporaryDirectory('gradus-synthetic-');
  const write = async (name: string, seed: number): Promise<string> => {
    const path = join(directory, name);
    const { bytes } = await writeSyntheticCorpus(path, { passages: 1_500, seed });
    const text = await readFile(path, 'utf8');
    expect(Buffer.byteLength(text)).toBe(bytes);
    return text;
  };
  const first = await write('a', 1);
  expect(await write('b', 1)).toBe(first);
  expect(await write('c', 2)).not.toBe(first);
  expect(first.trimEnd().split('\n')).toHaveLength(1_500);
  expect(JSON.parse(first.split('\n')[1_499] ?? '')).toMatchObject({ id: 's00001499' });
});

test('passages are as long as those of MuSiQue', () => {
  const { passage } = createSynthetic({ passages: 12_475, seed: 1 }, 'passages');
  const lengths = Array.from({ length: 2_000 }, () => passage().text.split(' ').length).sort((a, b) => a - b);
  expect(lengths[0]).toBeGreaterThanOrEqual(18);
  expect(lengths.at(-1)).toBeLessThanOrEqual(300);
  expect(lengths[1_000]).toBeGreaterThan(60);
  expect(lengths[1_000]).toBeLessThan(75);
});

test('questions are deterministic and differ from each other', () => {
  const questions = syntheticQuestions({ passages: 1_000, seed: 1 }, 100);
  expect(syntheticQuestions({ passages: 1_000, seed: 1 }, 100)).toEqual(questions);
  expect(new Set(questions).size).toBe(100);
});
