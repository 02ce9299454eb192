/** A small library as tools of a file: finds pages by the words of a query, and shows one. Imports nothing that is not there anyway. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tools, z } from 'gradus/tools';

interface Page {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

const pages = readFileSync(join(import.meta.dirname, 'pages.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line): Page => JSON.parse(line));
const wordsOf = (text: string): Set<string> => new Set(text.toLowerCase().match(/\w+/g));
const words = new Map(pages.map((page) => [page, { title: wordsOf(page.title), text: wordsOf(page.text) }]));

export default tools({
  websearch: {
    description: 'Lists documents with their ids and the start of their text.',
    input: z.strictObject({ query: z.string() }),
    run({ query }) {
      const asked = [...wordsOf(query)];
      const score = (page: Page): number =>
        asked.reduce((sum, word) => {
          const { title, text } = words.get(page) ?? { title: new Set(), text: new Set() };
          return sum + (title.has(word) ? 2 : 0) + (text.has(word) ? 1 : 0);
        }, 0);
      const hits = pages.filter((page) => score(page) > 0).toSorted((a, b) => score(b) - score(a));
      if (hits.length === 0) return { error: 'nothing found' };
      return hits
        .slice(0, 2)
        .map(({ id, title, text }) => `[${id}] ${title}: ${text.slice(0, 150)}`)
        .join('\n');
    },
  },
  scrape: {
    description: 'Shows a whole document.',
    input: z.strictObject({ id: z.string() }),
    run({ id }) {
      const page = pages.find((one) => one.id === id.trim());
      return page === undefined ? { error: 'no page has this id' } : `${page.title}: ${page.text}`;
    },
  },
});
