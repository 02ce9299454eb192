import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lastLineProblem } from './last-line.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

async function problemOf(content: string): Promise<string | undefined> {
  const folder = await temporaryDirectory('gradus-lines-');
  const path = join(folder, 'corpus.jsonl');
  await writeFile(path, content);
  return (await lastLineProblem(path))?.replace(path, 'FILE');
}

const long = JSON.stringify({ id: 'ä'.repeat(100_000) });

test.each(['{"id":1}', '{"id":1}\n', '{"id":1}\r\n{"id":2}\r\n\n \n', `${long}\n${long}\n`, `{\n${long}`])(
  'a file whose last line is whole has no problem: %#',
  async (content) => expect(await problemOf(content)).toBeUndefined(),
);

test('a file that was cut says so, without what stands there', async () => {
  expect(await problemOf('{"id":1}\n{"id":2,"text":')).toMatch(
    /^FILE: its last line: not valid JSON.*; it is cut off$/,
  );
  expect(await problemOf(`${long}\n${long.slice(0, -1)}`)).toMatch(/^FILE: its last line: not valid JSON/);
  expect(await problemOf('\n')).toBe('FILE: is empty');
});

test('a file that cannot be read is named', async () => {
  expect(await lastLineProblem('/no/such/corpus.jsonl')).toBe(
    '/no/such/corpus.jsonl: there is no such file; check the path',
  );
});
