import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type HotpotqaRow, allParagraphs } from './hotpotqa-row.ts';
import { readHotpotqa } from './read-hotpotqa.ts';
import { hotpotqaRows, writeHotpotqa } from '../../../tests/fixtures/hotpotqa-rows.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gradus-hotpotqa-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const row: HotpotqaRow = {
  _id: 'a1',
  question: 'q?',
  answer: 'yes',
  type: 'bridge',
  level: 'hard',
  supporting_facts: [['B', 0]],
  context: [
    ['A', ['One.', ' Two.']],
    ['B', ['Three.']],
  ],
};

async function readText(text: string): Promise<HotpotqaRow[]> {
  const path = join(root, 'rows.json');
  await writeFile(path, text);
  return readHotpotqa(path);
}

describe('the reader of HotpotQA', () => {
  test('reads rows as they are', async () => {
    expect(await readText(JSON.stringify([row]))).toEqual([row]);
  });

  test.each([
    ['a missing field', /rows\.json: row 1: question: /, { ...row, question: undefined }],
    ['an unknown field', /rows\.json: row 1: .*golden/, { ...row, golden: 1 }],
    ['a type that is none', /rows\.json: row 1: type: /, { ...row, type: 'hop' }],
    [
      'a support that points nowhere',
      /row 1: supporting_facts: "C" is not a title in the row's context/,
      { ...row, supporting_facts: [['C', 0]] },
    ],
  ])('names file, row and field of %s', async (_, message, value) => {
    await expect(readText(JSON.stringify([row, value]))).rejects.toThrow(message);
  });

  test('refuses what is not an array of rows', async () => {
    await expect(readText('[]')).rejects.toThrow(/holds no question/);
    await expect(readText('{}')).rejects.toThrow(/expected one JSON array/);
    await expect(readText('[{')).rejects.toThrow(/rows\.json: not JSON/);
    await expect(readHotpotqa(join(root, 'absent.json'))).rejects.toThrow(/there is no such file/);
  });

  test('paragraphs are title, line break, sentences; the same paragraph of two rows is one', () => {
    expect(allParagraphs([row, { ...row, _id: 'a2' }])).toEqual(['A\nOne. Two.', 'B\nThree.']);
  });

  test('reads 100 real questions', async () => {
    const rows = await readHotpotqa(await writeHotpotqa(join(root, 'sample.json')));
    expect(rows).toEqual(await hotpotqaRows());
    expect(rows.length).toBe(100);
    expect(allParagraphs(rows).length).toBeGreaterThan(900);
  });
});
