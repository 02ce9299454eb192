import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { gradeByHops, readHopWorths, worthsOf } from './grade-by-hops.ts';
import { gradeByReference } from './grade-by-reference.ts';

const step = (id: number, answer: string) => ({ id, question: 'q', answer, paragraph_support_idx: id });
const row = {
  id: '3hop1__1_2_3',
  paragraphs: [0, 1, 2].map((idx) => ({ idx, title: `t${idx}`, paragraph_text: 'p', is_supporting: true })),
  question: 'Where was the founder of Acme born?',
  question_decomposition: [step(0, 'Acme'), step(1, 'Ada Byron'), step(2, 'London')],
  answer: 'London',
  answer_aliases: ['City of London', '.'],
  answerable: true,
};
const grade = gradeByHops(new Map([[row.question, worthsOf(row)]]), () => -1);
const worth = (text: string) => grade({ question: row.question, references: [] }, text);

test('the answer to hop i of k is worth i / k, the answer and its aliases 1, anything else 0', () => {
  expect(worth('acme!')).toBeCloseTo(1 / 3, 12);
  expect(worth('Ada Byron')).toBeCloseTo(2 / 3, 12);
  expect([worth('london'), worth('the City of London'), worth('Paris'), worth('Ada'), worth('')]).toEqual([
    1, 1, 0, 0, 0,
  ]);
});

test('an answer that two hops share is worth the further one', () => {
  const circular = { ...row, question_decomposition: [step(0, 'London'), step(1, 'Acme'), step(2, 'london')] };
  expect(worthsOf(circular).get('london')).toBe(1);
  expect(worthsOf(circular).get('acme')).toBeCloseTo(2 / 3, 12);
});

test('of a transcript the last answer counts', () => {
  expect(worth('<answer>Acme</answer>\n<answer> London </answer>')).toBe(1);
});

test('a question that no file has is left to the other rule', () => {
  expect(grade({ question: 'Who?', references: [] }, 'London')).toBe(-1);
});

test('without files the worth is token F1 with the best reference', () => {
  const asked = { question: 'Where?', references: ['Paris', 'City of Light'] };
  expect(gradeByReference(asked, 'the paris')).toBe(1);
  // 2 of 2 tokens right, 2 of 3 found.
  expect(gradeByReference(asked, 'city light')).toBeCloseTo(0.8, 12);
  expect(gradeByReference(asked, 'Rome')).toBe(0);
  expect(gradeByReference({ question: 'Where?', references: [] }, 'Paris')).toBe(0);
});

test('files are read once, and a row that breaks the schema is named', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'judge-'));
  const good = join(directory, 'good.jsonl');
  await writeFile(good, `${JSON.stringify(row)}\n`);
  expect((await readHopWorths([good])).get(row.question)?.get('london')).toBe(1);
  const bad = join(directory, 'bad.jsonl');
  await writeFile(bad, `${JSON.stringify({ ...row, answer: '' })}\n`);
  await expect(readHopWorths([good, bad])).rejects.toThrow(/bad\.jsonl:1: answer/);
});
