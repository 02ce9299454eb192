import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readQuestions } from '#questions/read-questions.ts';
import { rowChecks } from '../run/prepare-inputs.ts';
import { splitRows } from '#questions/musique/write-split.ts';
import { countRows, writeRows, type RowChecks, type RowsOptions } from './write-rows.ts';
import { search } from '#environments/search/index.ts';
import type { Row } from '#proto/rollout/v1/task_pb.ts';
import { rewardList } from '#rewards/reward-list.ts';
import type { RowNeeds } from '#questions/read-questions.ts';
import { readRowFacts, type RowFacts } from '#questions/row-facts.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { writeHotpotqa } from '../../../tests/fixtures/hotpotqa-rows.ts';

const anything: RowChecks = { check: () => {}, report: () => {}, isSearched: true };

async function place(): Promise<string> {
  const directory = await temporaryDirectory('gradus-rows-');
  return directory;
}

const question = (number: number) => ({ id: `n${number}`, question: `Question ${number}?`, answer: 'AB'[number % 2] });

async function source(directory: string, name: string, rows: readonly object[]): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}

async function plain(count: number): Promise<{ directory: string; options: RowsOptions }> {
  const directory = await place();
  const train = await source(
    directory,
    'rows.jsonl',
    Array.from({ length: count }, (_, index) => question(index)),
  );
  return { directory, options: { format: 'gradus', train, held_out: 3, corpus: join(directory, 'corpus.jsonl') } };
}

async function idsOf(path: string): Promise<string[]> {
  const rows: { readonly id: string }[] = (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  return rows.map(({ id }) => id);
}

describe('rows of a recipe', () => {
  test('are split by the hash of their ids, as those of MuSiQue are', async () => {
    const { directory, options } = await plain(20);
    const prepared = await writeRows(options, anything, join(directory, 'data'));
    const expected = splitRows(
      Array.from({ length: 20 }, (_, index) => question(index)),
      3,
    );
    expect(await idsOf(prepared.train)).toEqual(expected.train.map(({ id }) => id));
    expect(await idsOf(prepared.heldOut)).toEqual(expected.heldOut.map(({ id }) => id));
    expect(prepared.corpus).toBe(options.corpus);
    expect(prepared.info).toMatchObject({ train: 17, heldOut: 3 });
    expect((await readdir(join(directory, 'data'))).toSorted()).toEqual(['data.json', 'held_out.jsonl', 'train.jsonl']);
    expect(await countRows(options, anything)).toEqual({ train: 17, heldOut: 3 });
  });

  test('are prepared once, and rows of another source are never taken for them', async () => {
    const { directory, options } = await plain(6);
    const target = join(directory, 'data');
    const first = await writeRows(options, anything, target);
    await writeFile(options.train, 'broken since');
    expect((await writeRows(options, anything, target)).info).toEqual(first.info);
    await expect(writeRows({ ...options, held_out: 2 }, anything, target)).rejects.toThrow(
      `${target} holds a split with held_out 3, not 2`,
    );
    await expect(writeRows({ ...options, format: 'search_r1' }, anything, target)).rejects.toThrow(
      'with format gradus',
    );
  });

  test('that are held out in a file of their own must not be among those to train on', async () => {
    const { directory, options } = await plain(4);
    const heldOut = await source(directory, 'held.jsonl', [question(9), question(2)]);
    const own = { ...options, held_out: heldOut };
    const message = `${heldOut}:2: id: "n2" is already the id of ${options.train}:3`;
    await expect(countRows(own, anything)).rejects.toThrow(message);
    await expect(writeRows(own, anything, join(directory, 'data'))).rejects.toThrow(message);
    expect((await readdir(directory)).toSorted()).toEqual(['held.jsonl', 'rows.jsonl']);
    await source(directory, 'held.jsonl', [question(9)]);
    const prepared = await writeRows(own, anything, join(directory, 'data'));
    expect(await idsOf(prepared.heldOut)).toEqual(['n9']);
    expect(prepared.info).toMatchObject({ train: 4, heldOut: 1 });
  });

  test('leave some to train on', async () => {
    const { directory, options } = await plain(3);
    const message = /held_out: 3 of 3 questions of .*rows\.jsonl leaves no question to train on; hold out fewer/;
    await expect(writeRows(options, anything, join(directory, 'data'))).rejects.toThrow(message);
    await expect(countRows(options, anything)).rejects.toThrow(message);
  });

  test('bring their corpus where they have paragraphs, each once', async () => {
    const directory = await place();
    const train = join(directory, 'rows.json');
    const row = (id: string, title: string) => ({
      _id: id,
      question: `${id}?`,
      answer: 'yes',
      supporting_facts: [[title, 0]],
      context: [
        ['A', ['One.']],
        ['B', ['Two.', ' Three.']],
      ],
    });
    const options: RowsOptions = { format: 'hotpotqa', train, held_out: 1 };
    await writeFile(train, JSON.stringify([row('1', 'A'), row('2', 'B')]));
    const prepared = await writeRows(options, anything, join(directory, 'data'));
    expect(await readFile(prepared.corpus ?? '', 'utf8')).toBe(
      '{"id":"p0","contents":"A\\nOne."}\n{"id":"p1","contents":"B\\nTwo. Three."}\n',
    );
    const questions: Row[] = [];
    for await (const one of readQuestions(prepared.train, 'plain', needsOf({ exact_match: 1 }))) questions.push(one);
    expect(questions).toMatchObject([{ tags: { hops: '1' } }]);
    expect(questions.map(readRowFacts)).toMatchObject([
      { answers: ['yes'], supportTitles: [expect.stringMatching(/^[AB]$/)] },
    ]);

    await writeFile(train, JSON.stringify([row('1', 'A'), row('2', 'C')]));
    await expect(writeRows(options, anything, join(directory, 'other'))).rejects.toThrow(
      `${train}:1: row 1: supporting_facts: "C" is not a title in the row's context; remove the row, or name a corpus`,
    );
    await writeFile(
      train,
      JSON.stringify([
        { ...row('1', 'A'), supporting_facts: [], context: [] },
        { ...row('2', 'A'), supporting_facts: [], context: [] },
      ]),
    );
    await expect(writeRows(options, anything, join(directory, 'other'))).rejects.toThrow(
      'have no paragraphs to make a corpus of; name one with data.rows.corpus',
    );
  });

  const settings = { weight: 1 };
  test.each([
    [{ exact_match: 1 }, { answer: 'A' }, /rows\.jsonl:1: question n0: answers\[0\]: "A" normalises to nothing/],
    [
      { exact_match: 0, numeric: settings },
      { answer: '3-4' },
      /:1: question n0: answers\[0\]: "3-4" is not a single number/,
    ],
    [
      { exact_match: 0, iou: settings },
      { answer: [20, 12] },
      /:1: question n0: answers\[0\]: "20 - 12" is not an interval/,
    ],
    [{ exact_match: 0, date: settings }, { answer: '05/03/1990' }, /:1: question n0: .*set day_first/],
    [{ exact_match: 0, gold_found: settings }, { answer: 'Paris' }, /:1: question n0: support_titles: empty/],
    [{ exact_match: 0, set_f1: settings }, { answer: 'Ann', aliases: ['Annie'] }, /:1: aliases: 1 next to the answer/],
  ])('that %j cannot read are refused by file and line before anything is written', async (rewards, gold, message) => {
    const directory = await place();
    const train = await source(directory, 'rows.jsonl', [{ ...question(0), ...gold }, question(1)]);
    const checks = rowChecks(needsOf(rewards), () => {});
    const options: RowsOptions = { format: 'gradus', train, held_out: 1, corpus: train };
    await expect(writeRows(options, checks, join(directory, 'data'))).rejects.toThrow(message);
    await expect(countRows(options, checks)).rejects.toThrow(message);
    expect(await readdir(directory)).toEqual(['rows.jsonl']);
  });

  test('keep aliases apart: a stage that takes answers for elements refuses what was prepared for one that does not', async () => {
    const directory = await place();
    const most = Array.from({ length: 999 }, (_, index) => `Annie ${index}`);
    const row = (number: number) => ({ ...question(number), answer: 'Ann', aliases: most });
    const train = await source(directory, 'rows.jsonl', [row(0), row(1)]);
    const options: RowsOptions = { format: 'gradus', train, held_out: 1, corpus: train };
    const text = needsOf({ exact_match: 1 });
    const prepared = await writeRows(
      options,
      rowChecks(text, () => {}),
      join(directory, 'data'),
    );
    const questions = async (needs: RowNeeds): Promise<RowFacts[]> => {
      const found: RowFacts[] = [];
      for await (const one of readQuestions(prepared.train, 'plain', needs)) found.push(readRowFacts(one));
      return found;
    };
    expect(await questions(text)).toMatchObject([{ answers: ['Ann', ...most] }]);
    await expect(questions(needsOf({ exact_match: 0, set_f1: settings }))).rejects.toThrow(
      `${prepared.train}:1: aliases: 999 next to the answer`,
    );
    const tooMany = await source(directory, 'more.jsonl', [{ ...row(0), aliases: [...most, 'Anne'] }]);
    await expect(countRows({ ...options, train: tooMany }, anything)).rejects.toThrow('more than 999 aliases');
  });

  test('of others: keys that are not read are reported, once a file', async () => {
    const directory = await place();
    const rows = [0, 1, 2].map((number) => ({ ...question(number), aliasess: ['x'], level: 1 }));
    const train = await source(directory, 'rows.jsonl', rows);
    const notes: string[] = [];
    await countRows(
      { format: 'gradus', train, held_out: 1, corpus: train },
      { ...anything, report: (note) => void notes.push(note) },
    );
    expect(notes).toEqual([`${train}: keys that are not read: aliasess (did you mean aliases?), level`]);
  });

  test('100 real ones of HotpotQA become questions, and a corpus where one is searched', async () => {
    const directory = await place();
    const train = await writeHotpotqa(join(directory, 'sample.json'));
    const checks = rowChecks(needsOf({ exact_match: 1, gold_found: settings }), () => {});
    const options: RowsOptions = { format: 'hotpotqa', train, held_out: 10 };
    const prepared = await writeRows(options, checks, join(directory, 'data'));
    expect(prepared.info).toMatchObject({ train: 90, heldOut: 10 });
    expect((await readFile(prepared.corpus ?? '', 'utf8')).trimEnd().split('\n').length).toBeGreaterThan(900);
    const unsearched = await writeRows(options, { ...checks, isSearched: false }, join(directory, 'closed-book'));
    expect(unsearched.corpus).toBeUndefined();
    expect((await readdir(join(directory, 'closed-book'))).toSorted()).toEqual([
      'data.json',
      'held_out.jsonl',
      'train.jsonl',
    ]);
  });

  test('of a table are prepared under the names of its columns, which are a part of what was prepared', async () => {
    const directory = await place();
    const train = join(directory, 'rows.csv');
    await writeFile(train, 'q,a\nWho?,Ann\nWhen?,1911\n');
    const options: RowsOptions = { format: 'gradus', train, held_out: 1, columns: { question: 'q', answer: 'a' } };
    const prepared = await writeRows(options, anything, join(directory, 'data'));
    expect(prepared.info).toMatchObject({ train: 1, heldOut: 1 });
    expect(await countRows(options, anything)).toEqual({ train: 1, heldOut: 1 });
    const other = { ...options, columns: { question: 'q', answers: 'a' } };
    await expect(writeRows(other, anything, join(directory, 'data'))).rejects.toThrow('holds a split with columns');
  });
});

function needsOf(rewards: Readonly<Record<string, unknown>>): RowNeeds {
  const named = rewardList(rewards).map(({ name, weight }) => ({ name, recordedOnly: weight === 0 }));
  const recorded = search.scorers.filter((name) => !(name in rewards)).map((name) => ({ name, recordedOnly: true }));
  return {
    stages: [{ name: 'one', scorers: [...named, ...recorded] }],
    row: search.row,
    selfScored: false,
    isSearched: true,
  };
}
