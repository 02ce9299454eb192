import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { countByHops, splitRows, writeMusiqueSplit } from './write-split.ts';

const row = (number: number) => ({
  id: `2hop__${number}_${number + 1}`,
  paragraphs: [
    { idx: 0, title: `Page ${number}`, paragraph_text: `Text ${number}.`, is_supporting: true },
    { idx: 1, title: 'Other', paragraph_text: 'The same everywhere.', is_supporting: false },
  ],
  question: `Question ${number}?`,
  question_decomposition: [
    { id: 1, question: 'a', answer: 'b', paragraph_support_idx: 0 },
    { id: 2, question: '#1 >> c', answer: 'd', paragraph_support_idx: 0 },
  ],
  answer: 'd',
  answer_aliases: [],
  answerable: true,
});

async function writeQuestions(count: number): Promise<{ directory: string; questions: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-musique-'));
  const questions = join(directory, 'questions.jsonl');
  await writeFile(questions, Array.from({ length: count }, (_, index) => `${JSON.stringify(row(index))}\n`).join(''));
  return { directory, questions };
}

const linesOf = async (path: string) => (await readFile(path, 'utf8')).trimEnd().split('\n');

test('the split is whole, disjoint and the same whatever the order of the rows', () => {
  const rows = Array.from({ length: 50 }, (_, index) => row(index));
  const { train, heldOut } = splitRows(rows, 10);
  expect(train).toHaveLength(40);
  expect(heldOut).toHaveLength(10);
  expect(new Set([...train, ...heldOut].map(({ id }) => id)).size).toBe(50);
  const again = splitRows(rows.toReversed(), 10);
  expect(new Set(again.heldOut.map(({ id }) => id))).toEqual(new Set(heldOut.map(({ id }) => id)));
});

test('holding out every question is refused with the numbers', () => {
  expect(() => splitRows([row(1), row(2)], 2)).toThrow('held_out: 2 of 2 questions leaves no question to train on');
});

test('without a corpus the passages of all questions become one, each once', async () => {
  const { directory, questions } = await writeQuestions(5);
  const split = await writeMusiqueSplit({ questions, held_out: 2, selection: 'all' }, join(directory, 'data'));
  expect(await linesOf(split.train)).toHaveLength(3);
  expect(await linesOf(split.heldOut)).toHaveLength(2);
  expect(await linesOf(split.corpus)).toHaveLength(6);
  expect(split.info).toMatchObject({ train: 3, heldOut: 2, trainByHops: { 2: 3 } });
  expect((await readdir(directory)).toSorted()).toEqual(['data', 'questions.jsonl']);
});

test('a second call finds the split and leaves it alone', async () => {
  const { directory, questions } = await writeQuestions(5);
  const options = { questions, held_out: 2, selection: 'all' } as const;
  const first = await writeMusiqueSplit(options, join(directory, 'data'));
  await writeFile(questions, 'broken since');
  expect((await writeMusiqueSplit(options, join(directory, 'data'))).info).toEqual(first.info);
});

test('a split of another source is refused with what differs, never taken for the one asked for', async () => {
  const { directory, questions } = await writeQuestions(6);
  const asked = { questions, held_out: 2, selection: 'all' } as const;
  const target = join(directory, 'data');
  await writeMusiqueSplit(asked, target);
  await expect(writeMusiqueSplit({ ...asked, held_out: 3 }, target)).rejects.toThrow(
    `${target} holds a split with heldOut 2, not 3; remove it or choose another folder`,
  );
  await expect(writeMusiqueSplit({ ...asked, questions: `${questions}.new` }, target)).rejects.toThrow(
    `holds a split with questions ${questions}, not ${questions}.new`,
  );
  await expect(writeMusiqueSplit({ ...asked, corpus: questions }, target)).rejects.toThrow('holds a split with corpus');
  await expect(writeMusiqueSplit({ ...asked, selection: 'jan_nano' }, target)).rejects.toThrow('with selection all');
  await rm(join(target, 'corpus.jsonl'));
  await expect(writeMusiqueSplit(asked, target)).rejects.toThrow(
    `${join(target, 'corpus.jsonl')}: there is no such file; check the path`,
  );
});

test('a folder with other files, a file in its place and a damaged data.json are refused and left alone', async () => {
  const { directory, questions } = await writeQuestions(5);
  const asked = { questions, held_out: 2, selection: 'all' } as const;
  await mkdir(join(directory, 'other'));
  await writeFile(join(directory, 'other', 'mine.txt'), 'mine');
  await expect(writeMusiqueSplit(asked, join(directory, 'other'))).rejects.toThrow(
    `${join(directory, 'other')} holds something else; remove it or choose another folder`,
  );
  await expect(writeMusiqueSplit(asked, questions)).rejects.toThrow(`${questions} holds something else`);
  for (const damaged of ['{', '{"format": 1}']) {
    await writeFile(join(directory, 'other', 'data.json'), damaged);
    await expect(writeMusiqueSplit(asked, join(directory, 'other'))).rejects.toThrow(
      'data.json is not what gradus wrote',
    );
  }
  expect((await readdir(directory)).toSorted()).toEqual(['other', 'questions.jsonl']);
  expect((await readdir(join(directory, 'other'))).toSorted()).toEqual(['data.json', 'mine.txt']);
});

test('a broken row leaves nothing behind and is named by file and line', async () => {
  const { directory, questions } = await writeQuestions(2);
  await writeFile(questions, `${JSON.stringify(row(1))}\n{"id": "2hop__9_9"}\n`);
  await expect(
    writeMusiqueSplit({ questions, held_out: 1, selection: 'all' }, join(directory, 'data')),
  ).rejects.toThrow(`${questions}:2: paragraphs`);
  expect(await readdir(directory)).toEqual(['questions.jsonl']);
});

test('a corpus that is not there is refused before anything is written', async () => {
  const { directory, questions } = await writeQuestions(2);
  const options = { questions, corpus: join(directory, 'none.jsonl'), held_out: 1, selection: 'all' } as const;
  await expect(writeMusiqueSplit(options, join(directory, 'data'))).rejects.toThrow('data.musique.corpus:');
});

test('questions are counted by the first digit of their id', () => {
  expect(countByHops([{ id: '2hop__1_2' }, { id: '3hop1__1_2_3' }, { id: '3hop2__4_5_6' }])).toEqual({ 2: 1, 3: 2 });
});
