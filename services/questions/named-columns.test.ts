import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { repositoryRoot } from '#platform/repository.ts';
import type { RowFormat } from './formats/index.ts';
import type { SourceRow } from './formats/row-format.ts';
import { unknownFields } from './named-columns.ts';
import { readRows, type ReadRowsOptions } from './read-rows.ts';

async function written(name: string, bytes: string | Uint8Array): Promise<string> {
  const path = join(await temporaryDirectory('gradus-columns-'), name);
  await writeFile(path, bytes);
  return path;
}

async function read(path: string, format: RowFormat, more: Omit<ReadRowsOptions, 'format'> = {}): Promise<SourceRow[]> {
  const rows: SourceRow[] = [];
  for await (const { row } of readRows(path, { format, ...more })) rows.push(row);
  return rows;
}

/** Made for this test, in the shape that SimpleQA has. */
const simpleqa = [
  'metadata,problem,answer',
  `"{'topic': 'Science and technology', 'answer_type': 'Person', 'urls': ['http://127.0.0.1/a']}",Who built the first dam of Ilmar?," Ann Oru "`,
  `"{'topic': 'Other', 'answer_type': 'Date', 'urls': []}","Which day, by the ""old"" count, was it?",4 March 1911`,
  '',
].join('\n');

describe('a table', () => {
  test('is SimpleQA as it is published; topic and kind of answer become tags', async () => {
    const rows = await read(await written('simple_qa.csv', simpleqa), 'simpleqa');
    expect(rows).toEqual([
      {
        id: expect.stringMatching(/^q-[0-9a-f]{16}$/),
        data: { question: 'Who built the first dam of Ilmar?' },
        gold: { answers: ['Ann Oru'] },
        tags: { topic: 'science_and_technology', answer_type: 'person' },
        paragraphs: [],
      },
      expect.objectContaining({ data: { question: 'Which day, by the "old" count, was it?' } }),
    ]);
    const path = await written('simple_qa.csv', simpleqa.replace('4 March 1911', ''));
    await expect(read(path, 'simpleqa')).rejects.toThrow(
      `${path}:3: answer: is missing; fill it in; column answer is blank here`,
    );
  });

  test('of any columns becomes rows by the names that a recipe gives them, compressed or not', async () => {
    const unread: string[] = [];
    const columns = { question: 'problem', 'tags.level': 'difficulty', id: 'key', answer: 'gold answer' };
    const text =
      'key,problem,gold answer,difficulty,aliases,notes\nk1,Who?,Ann,hard,"[""Anna"", 3]",x\nk2,When?,1911,,,\n';
    const rows = await read(await written('q.csv.gz', gzipSync(text)), 'gradus', {
      columns,
      onUnreadKey: (key) => void unread.push(key),
    });
    expect(rows).toMatchObject([
      {
        id: 'k1',
        data: { question: 'Who?' },
        gold: { answer: 'Ann', aliases: ['Anna', '3'] },
        tags: { level: 'hard' },
      },
      { id: 'k2', gold: { answers: ['1911'] }, tags: {} },
    ]);
    expect(unread).toEqual(['notes']);
  });

  test('fills data and gold of the plain form, a column at a time or as JSON', async () => {
    const path = await written('q.csv', 'n,prompt,ok,tags\n1,1+1=,2,"{""digits"": 1}"\n');
    const columns = { id: 'n', 'data.prompt': 'prompt', 'gold.answers': 'ok' };
    expect(await read(path, 'plain', { columns })).toMatchObject([
      { id: '1', data: { prompt: '1+1=' }, gold: { answers: '2' }, tags: { digits: '1' } },
    ]);
  });

  test.each([
    ['data,id,c', { 'data.context': 'c' }],
    ['d,id,c', { 'data.context': 'c', data: 'd' }],
  ])('adds columns for parts to what JSON holds: %s', async (header, columns) => {
    const path = await written('q.csv', `${header}\n"{""question"":""q""}",1,more\n`);
    expect(await read(path, 'plain', { columns })).toMatchObject([{ data: { question: 'q', context: 'more' } }]);
  });

  test.each(['text', '"[1]"', '7'])('refuses to add a part to %s', async (cell) => {
    const path = await written('q.csv', `id,data,c\n1,${cell},more\n`);
    await expect(read(path, 'plain', { columns: { 'data.context': 'c' } })).rejects.toThrow(
      /q\.csv:2: data: .* must be an object; a table has it as JSON/,
    );
  });

  test.each(['12345678901234567890', '1.50', '1e3', 'true', 'null', '{a}', '"{""a"": 1}"'])(
    'keeps %s as the text of an answer',
    async (cell) => {
      const path = await written('q.csv', `question,golden_answers\nq?,${cell}\n`);
      const text = cell.replaceAll(/^"|"$/g, '').replaceAll('""', '"');
      expect(await read(path, 'search_r1')).toMatchObject([{ gold: { answers: [text] } }]);
    },
  );

  test('has lists and numbers where the format has them', async () => {
    const path = await written('q.csv', 'question,answers,hops\nq?,"[""1.50"", ""true""]",2\n');
    expect(await read(path, 'gradus')).toMatchObject([{ gold: { answers: ['1.50', 'true'] }, tags: { hops: '2' } }]);
  });

  test('that lacks columns which were named is refused with all of them, those that are there, and what was meant', async () => {
    const path = await written('q.csv', 'metadata,problem,answer\nm,q,a\n');
    await expect(read(path, 'gradus', { columns: { question: 'problme', id: 'key' } })).rejects.toThrow(
      `${path}: columns.question: "problme" is no column; did you mean problem?; columns.id: "key" is no column (the columns are metadata, problem, answer)`,
    );
  });

  test('without a column that the format needs shows which are not read', async () => {
    const path = await written('q.csv', 'metadata,questions,answer\nm,q,a\n');
    await expect(read(path, 'gradus')).rejects.toThrow(
      `${path}:2: question: is missing; fill it in; not read are metadata, questions (did you mean questions?): data.rows.columns`,
    );
  });

  test('whose list is no JSON is refused with how a list is written', async () => {
    const path = await written('q.csv', `question,answers\nWho?,"['Ann', 'Bob']"\n`);
    await expect(read(path, 'gradus')).rejects.toThrow(
      `${path}:2: answers: "['Ann', 'Bob']" must be a list; a table has it as JSON, for example ["Ann", "Bob"]`,
    );
  });

  test.each([
    ['', /q\.csv: holds no row; give at least one/],
    ['question,answer\n', /q\.csv: holds no row; give at least one/],
    ['question,answer\nWho?,A\nWho?,A,B\n', /q\.csv:3: has 3 fields/],
  ])('%j is refused', async (text, message) => {
    await expect(read(await written('q.csv', text), 'gradus')).rejects.toThrow(message);
  });
});

test('keys of JSON lines are named in the same way; what a name replaces is not read', async () => {
  const path = await written('q.jsonl', '{"q": "Who?", "answer": {"no": 1}, "gold": ["Ann"]}\n{"q": "When?"}\n');
  const columns = { question: 'q', answers: 'gold', answer: 'short' };
  await expect(read(path, 'gradus', { columns })).rejects.toThrow(`${path}:2: answer: is missing; give answer`);
});

describe('Parquet', () => {
  const rows = join(repositoryRoot, 'tests/fixtures/parquet/rows-zstd.parquet');

  test('has the rows of Search-R1 with lists and numbers as they are, and reads no column of bytes', async () => {
    const unread: string[] = [];
    const read5 = await read(rows, 'search_r1', { onUnreadKey: (key) => void unread.push(key) });
    expect(read5.map(({ id, gold }) => [id, gold])).toEqual([
      ['7', { answers: ['Ann'] }],
      ['8', { answers: ['Liège'] }],
      ['9', { answer: '1954', aliases: ['in 1954'] }],
      ['10', { answer: 'Oslo', aliases: ['Bergen'] }],
      ['11', { answers: ['12.5'] }],
    ]);
    expect(unread).toContain('image');
  });

  test('names the row of a problem, from 0', async () => {
    const columns = { answers: 'golden_answers', 'tags.level': 'question' };
    await expect(read(rows, 'gradus', { columns })).rejects.toThrow(
      `${rows}: row 0: tags.level: "Who founded Arrakeen Works?"`,
    );
  });
});

test('HotpotQA may come as lists side by side, as Hugging Face keeps it', async () => {
  const row = {
    id: 'h1',
    question: 'q?',
    answer: 'yes',
    supporting_facts: { title: ['B', 'B'], sent_id: [0, 1] },
    context: { title: ['A', 'B'], sentences: [['One.'], ['Two.', ' Three.']] },
  };
  const path = await written('h.jsonl', `${JSON.stringify(row)}\n`);
  expect(await read(path, 'hotpotqa')).toMatchObject([
    { id: 'h1', gold: { support_titles: ['B'] }, tags: { hops: '1' }, paragraphs: ['A\nOne.', 'B\nTwo. Three.'] },
  ]);
});

test('fields that a format does not have are named with what was meant', () => {
  expect(
    unknownFields('gradus', { question: 'a', 'tags.level': 'b', 'tags.': 'c', 'data.x': 'd', anser: 'e' }),
  ).toEqual([
    { field: 'tags.', message: expect.stringContaining('is no field of format gradus') },
    { field: 'data.x', message: expect.stringContaining('it has id, question, answer') },
    { field: 'anser', message: 'is no field of format gradus; did you mean answer?' },
  ]);
});
