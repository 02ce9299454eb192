import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readQuestions } from './read-questions.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

async function files(...pages: readonly string[]) {
  const directory = await temporaryDirectory('script-');
  const [questions, corpus] = [join(directory, 'questions.jsonl'), join(directory, 'corpus.jsonl')];
  const row = {
    id: 'q1',
    data: { question: 'Where?' },
    gold: { answers: ['Paris'], support_titles: ['France', 'Rome'] },
  };
  await writeFile(questions, `${JSON.stringify(row)}\n`);
  await writeFile(corpus, pages.map((page) => `${page}\n`).join(''));
  return { questions, corpus };
}

test('pages are found by title; a text may hold the line separators of Unicode', async () => {
  const pages = [
    { id: 'p1', contents: 'France\nA\u2028country.' },
    { id: 2, title: 'Rome' },
  ].map((page) => JSON.stringify(page));
  const { questions, corpus } = await files(...pages);
  expect(await readQuestions([questions], 'plain', corpus)).toMatchObject([
    { question: 'Where?', answer: 'Paris', pageIds: ['p1', '2'] },
  ]);
});

test('a line that is no page is named', async () => {
  const { questions, corpus } = await files('{"id": 1}', '{"title": "Rome"}');
  await expect(readQuestions([questions], 'plain', corpus)).rejects.toThrow(
    `corpus: ${corpus}:2 is not a page of a corpus`,
  );
});
