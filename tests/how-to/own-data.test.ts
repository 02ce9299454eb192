/** Does what docs/how-to/own-data.md says, with its own code blocks. */
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { repositoryRoot } from '../../services/platform/repository.ts';
import { readJson, startGradus } from '../e2e/gradus-process.ts';
import { docBlocks } from '../fixtures/doc-blocks.ts';

const pageName = 'how-to/own-data.md';
let commands: string[] = [];
beforeAll(async () => {
  const page = await readFile(join(repositoryRoot, 'docs', pageName), 'utf8');
  commands = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text = '']) => text.trim());
});

async function folder(): Promise<string> {
  const directory = await temporaryDirectory('gradus-own-data-');
  await symlink(join(repositoryRoot, 'policies'), join(directory, 'policies'));
  for (const [name, text] of docBlocks(pageName)) await writeFile(join(directory, name), text);
  return directory;
}

/** Runs a command of the page in a folder with its files. */
async function ran(directory: string, command: string | undefined): Promise<{ code: unknown; output: string }> {
  const words = [...(command ?? '').matchAll(/(?:'[^']*'|\S)+/g)].map(([word]) => word.replaceAll("'", ''));
  const run = startGradus(directory, ...words.slice(1));
  return { code: await run.exit(), output: run.output() };
}

test('a table is refused with what to name, and shown once its columns are named', async () => {
  const directory = await folder();
  const refused = await ran(directory, commands[0]);
  expect(refused.code).toBe(2);
  expect(refused.output).toContain('quiz.csv:2: answer: is missing');
  expect(refused.output).toContain('not read are key, gold answer, difficulty');
  const { code, output } = await ran(directory, commands[1]);
  expect(code, output).toBe(0);
  expect(output).toContain('quiz.csv: 4 rows of format gradus');
  expect(output).toContain('{"answer":"19","aliases":["nineteen"]}');
  expect(output).toContain('tag level: easy 3, hard 1');
});

test('the recipe of the page checks its rows without a corpus', async () => {
  const { code, output } = await ran(await folder(), commands[2]);
  expect(code, output).toBe(0);
  expect(output).toContain('data.rows: 3 training questions, 1 held out');
});

test('SimpleQA is evaluated by an environment that does not search, without a corpus', async () => {
  const directory = await folder();
  const { code, output } = await ran(directory, commands[3]);
  expect(code, output).toBe(0);
  expect(await readJson(join(directory, 'closed-book/summary.json'))).toMatchObject({
    rows: 2,
    rollouts: { asked: 2, n: 2, absent: 0 },
    by_tag: { 'topic=science': { rows: 1 }, 'answer_type=number': { rows: 2 } },
  });
}, 300_000);
