import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildCorpus } from './write-split.ts';
import { readAllMusique } from './read-musique.ts';
import { classOf, selectJanNano, spread } from './select-jan-nano.ts';
import { musiqueQuestion } from './to-question.ts';
import type { MuSiqueRow } from './musique-row.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gradus-musique-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const row: MuSiqueRow = {
  id: '2hop__1_2',
  paragraphs: [
    { idx: 0, title: 'B', paragraph_text: 'b', is_supporting: true },
    { idx: 1, title: 'A', paragraph_text: 'a', is_supporting: true },
  ],
  question: 'q?',
  question_decomposition: [
    { id: 1, question: 'A >> x', answer: 'B', paragraph_support_idx: 1 },
    { id: 2, question: '#1 >> y', answer: 'C', paragraph_support_idx: 0 },
  ],
  answer: 'C',
  answer_aliases: ['see'],
  answerable: true,
};

async function readLines(...lines: string[]): Promise<MuSiqueRow[]> {
  const path = join(root, 'rows.jsonl');
  await writeFile(path, lines.join('\n'));
  return readAllMusique(path);
}

describe('the reader', () => {
  test('reads rows as they are, blank lines and a missing last newline allowed', async () => {
    expect(await readLines(JSON.stringify(row), '', JSON.stringify({ ...row, id: '3hop1__9' }))).toEqual([
      row,
      { ...row, id: '3hop1__9' },
    ]);
  });

  const broken: readonly (readonly [string, RegExp, object])[] = [
    ['a missing field', /rows\.jsonl:2: question: /, { ...row, id: '2hop__b', question: undefined }],
    [
      'a nested field of the wrong type',
      /rows\.jsonl:2: paragraphs\.0\.idx: /,
      { ...row, id: '2hop__b', paragraphs: [{ ...row.paragraphs[0], idx: '0' }] },
    ],
    ['an unknown field', /rows\.jsonl:2: .*golden/, { ...row, id: '2hop__b', golden: 1 }],
    ['an id without a class', /rows\.jsonl:2: id: .*2hop__/, { ...row, id: 'q1' }],
    [
      'a question without an answer',
      /rows\.jsonl:2: answerable: must be true; give MuSiQue-Ans/,
      { ...row, answerable: false },
    ],
    ['an empty answer', /rows\.jsonl:2: answer: /, { ...row, id: '2hop__b', answer: '' }],
    [
      'a support that points nowhere',
      /rows\.jsonl:2: question_decomposition\.0\.paragraph_support_idx: 7/,
      {
        ...row,
        id: '2hop__b',
        question_decomposition: [{ ...row.question_decomposition[0], paragraph_support_idx: 7 }],
      },
    ],
    ['an id that came before', /rows\.jsonl:2: id: "2hop__1_2" is already the id of .*rows\.jsonl:1/, row],
  ];
  test.each(broken)('names file, line and field of %s', async (_, message, value) => {
    await expect(readLines(JSON.stringify(row), JSON.stringify(value))).rejects.toThrow(message);
  });

  test('names file and line of what is not JSON', async () => {
    await expect(readLines(JSON.stringify(row), '{"id": ')).rejects.toThrow(/rows\.jsonl:2: not valid JSON/);
  });

  test('an empty or absent file is an error', async () => {
    await expect(readLines('')).rejects.toThrow(/holds no question/);
    await expect(readAllMusique(join(root, 'absent.jsonl'))).rejects.toThrow(/absent\.jsonl: there is no such file/);
    await expect(readAllMusique(root)).rejects.toThrow(`${root}: cannot be read`);
  });

  test('names file and line of bytes that are not UTF-8, rather than training on replacement characters', async () => {
    const path = join(root, 'latin1.jsonl');
    await writeFile(path, Buffer.from(`${JSON.stringify(row)}\n${JSON.stringify({ ...row, answer: 'é' })}`, 'latin1'));
    await expect(readAllMusique(path)).rejects.toThrow(/latin1\.jsonl:2: not valid UTF-8/);
  });
});

describe("Jan-nano's selection", () => {
  const rowsOf = (counts: Readonly<Record<string, number>>): { id: string }[] =>
    Object.entries(counts).flatMap(([name, count]) =>
      Array.from({ length: count }, (_, i) => ({ id: `${name}__${String(i * 7919).padStart(9, '0')}` })),
    );

  test('takes 7000 + 2150 + 1175 of 14,376 + 4,387 + 1,175 questions', () => {
    const rows = rowsOf({ '4hop3': 299, '4hop2': 296, '4hop1': 580, '3hop2': 650, '3hop1': 3737, '2hop': 14_376 });
    const selected = selectJanNano(rows);
    const counts = new Map<string, number>();
    for (const { id } of selected) counts.set(classOf(id), (counts.get(classOf(id)) ?? 0) + 1);
    expect(Object.fromEntries(counts)).toEqual({
      '2hop': 7000,
      '3hop1': 1500,
      '3hop2': 650,
      '4hop1': 580,
      '4hop2': 296,
      '4hop3': 299,
    });
    expect(selected).toHaveLength(10_325);
    expect(new Set(selected).size).toBe(10_325);
  });

  test('does not depend on the order of the rows', () => {
    const rows = rowsOf({ '2hop': 7500, '3hop1': 10 });
    expect(selectJanNano([...rows].reverse())).toEqual(selectJanNano(rows));
  });

  test('takes floor(i * count / cap) of the rows sorted by id', () => {
    expect(spread(5, 3)).toEqual([0, 1, 3]);
    expect(spread(14_376, 7000).slice(0, 5)).toEqual([0, 2, 4, 6, 8]);
    expect(spread(14_376, 7000).at(-1)).toBe(Math.floor((6999 * 14_376) / 7000));
    const ids = selectJanNano(rowsOf({ '3hop2': 3000 })).map(({ id }) => id);
    expect(ids[1]).toBe(`3hop2__${String(2 * 7919).padStart(9, '0')}`);
  });

  test('refuses a class that it does not know', () => {
    expect(() => selectJanNano([{ id: '5hop__1' }])).toThrow(/"5hop__1".*2hop/);
  });
});

describe('the corpus', () => {
  test('holds each paragraph once, sorted, whatever the order of the rows', async () => {
    const other = {
      ...row,
      id: '2hop__3',
      paragraphs: [
        { idx: 0, title: 'A', paragraph_text: 'a', is_supporting: false },
        { idx: 1, title: 'A', paragraph_text: 'z', is_supporting: false },
      ],
    };
    const corpus = await buildCorpus([row, other]);
    expect(corpus).toEqual([
      { id: 'p00000', contents: 'A\na' },
      { id: 'p00001', contents: 'A\nz' },
      { id: 'p00002', contents: 'B\nb' },
    ]);
    expect(await buildCorpus([other, row])).toEqual(corpus);
  });
});

describe('a question for tasks', () => {
  test('has the answer first, then aliases, and the number of hops', () => {
    expect(musiqueQuestion(row)).toMatchObject({ id: '2hop__1_2', question: 'q?', answers: ['C', 'see'], hops: 2 });
    expect(musiqueQuestion(row).supportTitles).toEqual(['A', 'B']);
    expect(musiqueQuestion({ ...row, answer: 'A' }, 'other').answers).toEqual(['A', 'see']);
  });

  test('P2: has no alias that an empty answer would equal, and no answer that does', () => {
    expect(musiqueQuestion({ ...row, answer_aliases: ['the', 'C', '...'] }).answers).toEqual(['C']);
    expect(() => musiqueQuestion({ ...row, answer: 'The.' })).toThrow(/2hop__1_2: answer: "The\."/);
  });
});

describe('the sample of real questions', () => {
  test('are read whole, and all have answers to compare with', async () => {
    const rows = await readAllMusique(join(import.meta.dirname, '../../../data/musique/questions.jsonl'));
    expect(rows).toHaveLength(299);
    expect(selectJanNano(rows)).toHaveLength(299);
    for (const each of rows) expect(musiqueQuestion(each).answers.length).toBeGreaterThan(0);
    const corpus = await buildCorpus(rows);
    expect(corpus.length).toBeGreaterThan(500);
    expect(new Set(corpus.map(({ contents }) => contents)).size).toBe(corpus.length);
  });
});
