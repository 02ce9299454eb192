import { existsSync, globSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';

import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const records = globSync('docs/decisions/[0-9]*.md', { cwd: root });
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...globSync('{docs,services,policies,data,recipes,deploy,bench}/**/*.md', { cwd: root }),
];

const link = /\]\((?!https?:)([^)#\s]+)/gu;
const path = /(?<![\w./-])(?:services|tests|docs|bench|deploy|proto|recipes|policies|data|scripts)\/[\w./-]*[\w/]/gu;

const anchor = /\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/gu;
const code = /^```.*?^```/gmsu;

/** As GitHub names a heading. */
function slugOf(heading: string): string {
  const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/gu, '$1').toLowerCase();
  return text.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
}

function headingsOf(file: string): Set<string> {
  const slugs = new Set<string>();
  for (const [, heading = ''] of readFileSync(file, 'utf8')
    .replace(code, '')
    .matchAll(/^#+ (.+)$/gmu)) {
    const slug = slugOf(heading.trim());
    const repeats = [...Array(slugs.size + 1).keys()].map((index) => (index === 0 ? slug : `${slug}-${index}`));
    slugs.add(repeats.find((name) => !slugs.has(name)) ?? slug);
  }
  return slugs;
}

/** Links of a page to headings that their page lacks. Pages that are missing are `missingOf`'s. */
function deadAnchors(page: string, text: string): string[] {
  return [...text.replace(code, '').matchAll(anchor)]
    .filter(([, name = '', heading = '']) => {
      const target = name === '' ? join(root, page) : join(root, dirname(page), name);
      return target.endsWith('.md') && existsSync(target) && !headingsOf(target).has(heading);
    })
    .map(([, name, heading]) => `${page}: ${name}#${heading}`);
}

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

test('every document is in the index of its kind', async () => {
  const missing = async (index: string, found: readonly string[]): Promise<string[]> => {
    const text = await readFile(join(root, index), 'utf8');
    const linked = new Set([...text.matchAll(link)].map(([, name = '']) => join(dirname(index), name)));
    return found.filter((page) => page !== index && !linked.has(page)).map((page) => `${index}: ${page} is not listed`);
  };
  const kinds = globSync('docs/{*,how-to/*,tutorials/*,reference/*}.md', { cwd: root });
  const results = globSync('docs/results/*.md', { cwd: root });
  const listed = [missing('docs/README.md', kinds), missing('docs/results/README.md', results)];
  expect((await Promise.all(listed)).flat()).toEqual([]);
});

test('every link to a heading finds it', () => {
  expect(pages.flatMap((page) => deadAnchors(page, readFileSync(join(root, page), 'utf8')))).toEqual([]);
  expect(
    deadAnchors('README.md', 'see [it](docs/cli.md#exit-codes), [that](docs/cli.md#nothing) and [x](#nothing)'),
  ).toEqual(['README.md: docs/cli.md#nothing', 'README.md: #nothing']);
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
