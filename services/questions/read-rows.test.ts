import fc from 'fast-check';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { choiceMatch } from '#answer/choice-match.ts';
import { dateMatch } from '#answer/date-match.ts';
import { parseInterval } from '#answer/interval-iou.ts';
import { numericMatch } from '#answer/numeric-match.ts';
import { readHotpotqa } from './hotpotqa/read-hotpotqa.ts';
import { writeHotpotqa } from '../../tests/fixtures/hotpotqa-rows.ts';
import { wireRow } from './question-row.ts';
import { withoutEmptyAliases } from './read-questions.ts';
import { readRowFacts, type RowFacts } from './row-facts.ts';
import { readRows, type ReadRowsOptions } from './read-rows.ts';
import type { RowFormat } from './formats/index.ts';
import type { SourceRow } from './formats/row-format.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gradus-rows-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A row, with what scorers read of it. */
type ReadQuestion = SourceRow &
  Pick<RowFacts, 'question' | 'answers' | 'supportTitles'> & { readonly aliases: number; readonly hops: number };

async function read(
  text: string,
  format: RowFormat = 'gradus',
  more: Omit<ReadRowsOptions, 'format'> = {},
): Promise<ReadQuestion[]> {
  const path = join(root, 'rows.jsonl');
  await writeFile(path, text);
  const rows: ReadQuestion[] = [];
  for await (const { row } of readRows(path, { format, ...more })) {
    const { question, answers, supportTitles } = readRowFacts(wireRow(row));
    const { aliases = [] } = row.gold;
    rows.push({
      ...row,
      question,
      answers,
      supportTitles,
      aliases: Array.isArray(aliases) ? aliases.length : 0,
      hops: Number(row.tags['hops'] ?? 0),
    });
  }
  return rows;
}

const lines = (...values: readonly unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('');
const row = { id: 'a', question: 'Which? A) red B) blue', answer: 'A' };

describe("rows of Gradus's own format", () => {
  test('have an answer with aliases, or answers; numbers and intervals become text', async () => {
    const rows = await read(
      lines(
        { ...row, aliases: ['red'], hops: 2, support_titles: ['Red'] },
        { id: 'b', question: 'How far?', answer: 12.5 },
        { id: 'c', question: 'When?', answer: [1.5, 20] },
        { id: 'd', question: 'Who?', answers: ['Ann', 'Bob'] },
      ),
    );
    expect(rows.map(({ answers }) => answers)).toEqual([['A', 'red'], ['12.5'], ['1.5 - 20'], ['Ann', 'Bob']]);
    expect(rows[0]).toMatchObject({ hops: 2, supportTitles: ['Red'], aliases: 1 });
    expect(rows[3]).toMatchObject({ hops: 0, supportTitles: [], aliases: 0 });
  });

  test('P9: keep their tags, next to the number of hops', async () => {
    const rows = await read(
      lines({ ...row, hops: 2, tags: { kind: 'bridge', year: 1990 } }, { ...row, id: 'b', tags: { hops: 3 } }),
    );
    expect(rows.map(({ tags }) => tags)).toEqual([{ kind: 'bridge', year: '1990', hops: '2' }, { hops: '3' }]);
  });

  test.each([
    ['no question', { ...row, question: undefined }, /rows\.jsonl:2: question: is missing; fill it in$/],
    ['a blank id', { ...row, id: ' ' }, /rows\.jsonl:2: id: " " is blank/],
    ['no answer', { id: 'x', question: 'q' }, /rows\.jsonl:2: answer: is missing; give answer, or answers as a list/],
    ['two answers', { ...row, id: 'x', answers: ['B'] }, /rows\.jsonl:2: answers: is there next to answer/],
    ['empty gold', { id: 'x', question: 'q', answers: [] }, /rows\.jsonl:2: answers: \[\] is empty; give the gold/],
    [
      'blank gold',
      { ...row, id: 'x', answer: '' },
      /rows\.jsonl:2: answer: "" is blank; fill it in, or remove the row/,
    ],
    ['gold of no use', { ...row, id: 'x', answer: true }, /2: answer: true must be text, a number or an interval/],
    ['a blank element', { id: 'x', question: 'q', answers: ['a', ''] }, /2: answers\.1: "" is blank/],
    ['aliases of a list', { id: 'x', question: 'q', answers: ['a'], aliases: ['b'] }, /2: aliases: go next to answer/],
    ['a tag that is not a name', { ...row, id: 'x', tags: { Kind: 'a' } }, /2: tags\.Kind: .*must be lower case/],
    ['a tag of two words', { ...row, id: 'x', tags: { kind: 'a b' } }, /2: tags\.kind: "a b" must be a number or text/],
    ['hops twice', { ...row, id: 'x', hops: 2, tags: { hops: 2 } }, /2: hops: is there next to tags\.hops; give one/],
    ['a megabyte', { ...row, id: 'x', answer: 'y'.repeat(2 ** 20) }, /2: answer: "y{70,}\.\.\. longer than 4096/],
    [
      'a long row',
      { id: 'x', question: 'q', answers: Array.from({ length: 100 }, (_, at) => `${at}`.padEnd(4000, 'y')) },
      /2: row: 4\d{5} characters/,
    ],
    ['a taken id', row, /rows\.jsonl:2: id: "a" is already the id of .*rows\.jsonl:1; give every row its own/],
    ['a list', [1], /rows\.jsonl:2: row: \[1\] .*expected object/],
  ])('name file, line, field and fix of %s', async (_, value, message) => {
    await expect(read(lines(row, value))).rejects.toThrow(message);
  });

  test('that are no JSON, cut off, or none at all are refused by file and line', async () => {
    await expect(read(`${lines(row)}{`)).rejects.toThrow(/rows\.jsonl:2: not valid JSON/);
    await expect(read('\n\n')).rejects.toThrow(/rows\.jsonl: holds no row/);
    await expect(read(`[${JSON.stringify(row)},`)).rejects.toThrow(
      /the file ends before the array does; it is cut off/,
    );
    await expect(read(`[${JSON.stringify(row)}`)).rejects.toThrow(/row 0: the file ends before the array does/);
    await expect(read(`[${JSON.stringify(row)},]`)).rejects.toThrow(/row 1: a value is missing before the \]/);
    await expect(read(`[${JSON.stringify(row)}] [`)).rejects.toThrow(/:1: there is more after the array/);
    await expect(read(`[${JSON.stringify(row)}\n,{"id":]}`)).rejects.toThrow(/rows\.jsonl:2: row 1: not valid JSON/);
  });

  test('of others bring their own keys, which are reported once', async () => {
    const reported: string[] = [];
    await read(lines({ ...row, level: 1, alias: 'x' }, { ...row, id: 'b', level: 2 }), 'gradus', {
      onUnreadKey: (key) => void reported.push(key),
    });
    expect(reported).toEqual(['level', 'alias']);
  });

  test('without an id have one of their question, and a number is one', async () => {
    const rows = await read(lines({ ...row, id: 7 }, { ...row, id: undefined }));
    expect(rows.map(({ id }) => id)).toEqual(['7', expect.stringMatching(/^q-[0-9a-f]{16}$/)]);
    await expect(read(lines({ ...row, id: undefined }, { ...row, id: undefined }))).rejects.toThrow(
      /rows\.jsonl:2: id: "q-\w+" is already the id of .*rows\.jsonl:1/,
    );
  });

  test('ids may be distinguished over several files', async () => {
    const seen = new Map<string, string>();
    await read(lines(row), 'gradus', { seen });
    await expect(read(lines(row), 'gradus', { seen })).rejects.toThrow(/is already the id of/);
  });

  test('come back from lines and from an array as they were written, however they are spaced', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((value) => value.trim() !== '');
    const anyRow = fc.record({
      question: text,
      answers: fc.array(text, { minLength: 1, maxLength: 3 }),
      hops: fc.nat(9),
      support_titles: fc.array(text, { maxLength: 2 }),
    });
    const spaces = fc.constantFrom('', ' ', '\n', '\r\n\t');
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { minLength: 1, maxLength: 5 }), spaces, async (values, space) => {
        const given = values.map((value, index) => ({ id: `${index}`, ...value }));
        const expected = given.map(({ support_titles: supportTitles, ...rest }) => ({ ...rest, supportTitles }));
        const array = `${space}[${space}${given.map((value) => JSON.stringify(value)).join(`${space},${space}`)}${space}]${space}`;
        expect(await read(lines(...given))).toMatchObject(expected);
        expect(await read(array)).toMatchObject(expected);
      }),
      { numRuns: 60 },
    );
  });

  test('give gold that the scorers of its kind read as it was meant', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e12, max: 1e12 }),
        fc.integer({ min: -1000, max: 1000 }),
        fc.integer({ min: 1, max: 1000 }),
        fc.date({ min: new Date('1000-01-01'), max: new Date('2999-12-31'), noInvalidDate: true }),
        fc.integer({ min: 0, max: 9 }),
        async (number, start, length, date, option) => {
          const day = date.toISOString().slice(0, 10);
          const letter = String.fromCharCode(65 + option);
          const golds = [number, [start, start + length], day, letter];
          const rows = await read(lines(...golds.map((answer, at) => ({ id: `${at}`, question: 'q', answer }))));
          const [asNumber = [], asInterval = [], asDate = [], asOption = []] = rows.map(({ answers }) => answers);
          expect(
            numericMatch(String(number), asNumber, { absoluteTolerance: 0, relativeTolerance: 0, unit: 'optional' }),
          ).toBe(1);
          expect(parseInterval(asInterval[0] ?? '')).toEqual({ start, end: start + length });
          expect(dateMatch(day, asDate, { precision: 'gold', dayFirst: undefined })).toBe(1);
          expect(choiceMatch(letter, asOption, 10)).toBe(1);
        },
      ),
      { numRuns: 60 },
    );
  });
});

test('an alias that normalises to nothing is left out for text, and the first answer never is', () => {
  expect(withoutEmptyAliases({ answers: ['The', 'a', 'Paris'] })).toEqual({ answers: ['The', 'Paris'] });
  expect(withoutEmptyAliases({ answer: 'The', aliases: ['a', 'Paris'], house: 1 })).toEqual({
    answer: 'The',
    aliases: ['Paris'],
    house: 1,
  });
});

describe('plain rows', () => {
  const plain = {
    id: 'a',
    data: { prompt: '1+1=', deep: { list: [1, null] } },
    gold: { answers: ['2'] },
    tags: { digits: 1 },
  };

  test('keep their data and gold as they are; tags become text', async () => {
    expect(await read(lines(plain, { id: 'b', data: {} }), 'plain')).toMatchObject([
      { id: 'a', data: plain.data, gold: plain.gold, tags: { digits: '1' }, question: JSON.stringify(plain.data) },
      { id: 'b', data: {}, gold: {}, tags: {}, answers: [] },
    ]);
  });

  test.each([
    [{ id: 'x' }, /rows\.jsonl:1: data: is missing; fill it in/],
    [{ id: 'x', data: 'q' }, /rows\.jsonl:1: data: "q" must be an object/],
    [{ ...plain, gold: [1] }, /rows\.jsonl:1: gold: \[1\] must be an object/],
    [{ ...plain, tags: { 'a b': 1 } }, /rows\.jsonl:1: tags.*lower case/],
    [{ ...plain, tags: { level: 'very hard' } }, /rows\.jsonl:1: tags\.level: "very hard" must be a number or text/],
    [{ ...plain, question: 'q' }, /rows\.jsonl:1: row: .*question/],
  ])('%j is refused', async (value, message) => {
    await expect(read(lines(value), 'plain')).rejects.toThrow(message);
  });
});

describe('rows of Search-R1', () => {
  test('have a list of golden answers; ids are distinguished by source, and made of the question where there are none', async () => {
    const rows = await read(
      lines(
        { id: 'train_0', data_source: 'nq', question: 'q1', golden_answers: ['x', 'y'], prompt: [] },
        { id: 'train_0', data_source: 'hotpotqa', question: 'q1', golden_answers: ['x'] },
        { question: 'q2', golden_answers: 'z' },
      ),
      'search_r1',
    );
    expect(rows.map(({ id, answers }) => [id, answers])).toEqual([
      ['nq/train_0', ['x', 'y']],
      ['hotpotqa/train_0', ['x']],
      [expect.stringMatching(/^q-[0-9a-f]{16}$/), ['z']],
    ]);
  });

  test.each([
    [{ question: 'q' }, /:1: golden_answers: is missing|:1: golden_answers: must be/],
    [{ question: 'q', golden_answers: [] }, /:1: golden_answers: \[\] is empty; give the gold answer/],
    [{ question: 'q', golden_answers: ['', 'x'] }, /:1: golden_answers.*is blank/],
  ])('%j is refused', async (value, message) => {
    await expect(read(lines(value), 'search_r1')).rejects.toThrow(message);
  });
});

describe('rows of HotpotQA and 2Wiki', () => {
  const published = {
    _id: 'h1',
    question: 'q?',
    answer: 'yes',
    supporting_facts: [
      ['B', 0],
      ['B', 1],
    ],
    context: [
      ['A', ['One.', ' Two.']],
      ['B', ['Three.', 'Four.']],
      ['C', []],
    ],
  };

  test('bring titles of the pages with the facts, and their paragraphs; 2Wiki has no spaces between sentences', async () => {
    const [hotpotqa] = await read(JSON.stringify([{ ...published, level: 'hard' }]), 'hotpotqa');
    expect(hotpotqa).toMatchObject({ id: 'h1', answers: ['yes'], hops: 1, supportTitles: ['B'] });
    expect(hotpotqa?.paragraphs).toEqual(['A\nOne. Two.', 'B\nThree.Four.']);
    const [twoWiki] = await read(JSON.stringify([{ ...published, evidences: [] }]), '2wiki');
    expect(twoWiki?.paragraphs).toEqual(['A\nOne. Two.', 'B\nThree. Four.']);
  });

  test('100 real rows are those that the whole-file reader finds', async () => {
    const sample = await writeHotpotqa(join(root, 'sample.json'));
    const rows: SourceRow[] = [];
    for await (const { row: one } of readRows(sample, { format: 'hotpotqa' })) rows.push(one);
    const whole = await readHotpotqa(sample);
    expect(rows.map(({ id, gold }) => [id, gold['answers']])).toEqual(whole.map(({ _id, answer }) => [_id, [answer]]));
    expect(rows.every(({ paragraphs, tags }) => paragraphs.length >= 2 && tags['hops'] === '2')).toBe(true);
  });
});
