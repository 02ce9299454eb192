import { existsSync, globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';

import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const records = globSync('docs/decisions/[0-9]*.md', { cwd: root });
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...globSync('{docs,services,policies,data,recipes,deploy,bench}/**/*.md', { cwd: root }),
];

const link = /\]\((?!https?:)([^)#\s]+)/gu;
const path = /(?<![\w./-])(?:services|tests|docs|bench|deploy|proto|recipes|policies|data|scripts)\/[\w./-]*[\w/]/gu;

/** What a page names and the repository lacks. A name with a placeholder (`services/stages/<kind>/`) ends before it. */
function missingOf(page: string, text: string): string[] {
  const beside = (name: string) => join(root, dirname(page), name);
  const links = [...text.matchAll(link)].map(([, name = '']) => name).filter((name) => !existsSync(beside(name)));
  const paths = [...text.matchAll(path)]
    .map(([name]) => name)
    .filter((name) => !existsSync(join(root, name)) && !existsSync(beside(name)));
  return [...links, ...paths].map((name) => `${page}: ${normalize(name)}`);
}

test('every path and every link of the documentation exists', async () => {
  const missing = await Promise.all(
    pages.map(async (page) => missingOf(page, await readFile(join(root, page), 'utf8'))),
  );
  expect(missing.flat()).toEqual([]);
});

test('a path that does not exist is found, with its page', () => {
  expect(
    missingOf('README.md', 'see `services/nothing/main.ts` and [it](docs/nothing.md#part), not https://a.b/docs/x'),
  ).toEqual(['README.md: docs/nothing.md', 'README.md: services/nothing/main.ts', 'README.md: docs/nothing.md']);
});

test('the list of decisions has every record, in the order of their numbers', async () => {
  const list = await readFile(join(root, 'docs/decisions/README.md'), 'utf8');
  const listed = [...list.matchAll(/^\| \[(\d{4})\]\(([^)]+)\) \|/gmu)].map(([, number, file]) => [number, file]);
  expect(listed).toEqual(
    records
      .map((record) => record.split('/').at(-1) ?? '')
      .sort()
      .map((file) => [file.slice(0, 4), file]),
  );
});
