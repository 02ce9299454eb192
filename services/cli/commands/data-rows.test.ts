import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { createTerminal } from '../terminal/terminal.ts';
import { dataRowsCommand } from './data-rows.ts';

test('what --json prints of rows keeps their keys and the values of tags', async () => {
  const file = join(await temporaryDirectory('gradus-rows-'), 'rows.jsonl');
  const row = { id: 'a', data: { nextStep: 'left' }, gold: {}, tags: { level: 'veryHard' } };
  await writeFile(file, `${JSON.stringify(row)}\n`);
  const lines: unknown[] = [];
  const terminal = { ...createTerminal(), out: (given: unknown) => void lines.push(given) };
  expect(await dataRowsCommand(file, { format: 'plain', column: {}, json: true }, terminal)).toBe(0);
  expect(lines.map((line) => JSON.parse(String(line)) as unknown)).toEqual([
    { file, format: 'plain', rows: 1, unread: [], tags: { level: { veryHard: 1 } }, first: row },
  ]);
});
