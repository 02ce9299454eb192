import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Document } from '../corpus/parse-document.ts';
import { indexCorpus } from './index-corpus.ts';
import { createIndexReader, type IndexReader } from './index-reader.ts';
import type { IndexSettingsInput } from './manifest.ts';
import { closeIndex } from './open-index.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradus-reader-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function withIndex(
  pages: readonly Document[],
  settings: IndexSettingsInput,
  use: (reader: IndexReader) => void,
): Promise<void> {
  const corpus = join(directory, 'corpus.jsonl');
  await writeFile(corpus, pages.map((page) => JSON.stringify(page)).join('\n'));
  const data = await indexCorpus(corpus, settings);
  try {
    use(createIndexReader(data));
  } finally {
    closeIndex(data);
  }
}

const long = (sentences: number): string =>
  Array.from({ length: sentences }, (_, at) => `Sentence number ${at} is about topic${at}.`).join(' ');

describe('a page', () => {
  const pages: Document[] = [
    { id: 'a', title: 'Faces', text: `${'x'.repeat(99)}😀${'y'.repeat(99)}😀` },
    { id: 'Ä/東 #1', title: 'Título “”', text: 'Naïve.' },
    { id: 'empty', title: 'Title', text: '' },
    { id: 'blank', title: 'Title', text: ' \n ' },
  ];

  test('is found by its id, whatever characters that has, and no other id is', async () => {
    await withIndex(pages, {}, (reader) => {
      pages.forEach(({ id, title, text }, passage) => {
        expect(reader.passageOf(id)).toBe(passage);
        expect(reader.fetch(id, 0, 1_000)).toEqual({
          id,
          title,
          text,
          parentId: '',
          part: 0,
          parts: 1,
          characters: text.length,
        });
        expect(reader.text(passage)).toEqual({ title, text });
        expect(reader.card(passage)).toMatchObject({ id, title, parentId: '' });
      });
      for (const id of ['', 'b', 'A', 'a#0', 'a ', 'Ä/東', '\ud800']) {
        expect(reader.passageOf(id), id).toBeUndefined();
        expect(reader.fetch(id, 0, 100), id).toBeUndefined();
      }
    });
  });

  test('comes in parts that part no pair of surrogates, and is empty beyond the last', async () => {
    await withIndex(pages, {}, (reader) => {
      const parts = [0, 1, 2, 3].map((part) => reader.fetch('a', part, 100));
      expect(parts.map((part) => part?.text)).toEqual([`${'x'.repeat(99)}😀`, 'y'.repeat(99), '😀', '']);
      expect(parts[1]).toMatchObject({ part: 1, parts: 3, characters: 202 });
    });
  });

  test('has a preview that is empty only where its text is blank: the title stands next to it', async () => {
    await withIndex(pages, {}, (reader) => {
      expect([1, 2, 3].map((passage) => reader.card(passage).preview)).toEqual(['Naïve.', '', '']);
    });
  });

  test('is whole when its parts are joined, whatever it holds and however long the parts are', async () => {
    const texts = fc.sample(
      fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 2_000 }),
        fc.array(fc.constantFrom('😀', 'a', '東', '\n')).map((units) => units.join('')),
      ),
      200,
    );
    const all = texts.map((text, id): Document => ({ id: `${id}`, title: '', text }));
    await withIndex(all, {}, (reader) => {
      for (const [at, { id, text }] of all.entries()) {
        const size = 1 + (at % 150);
        const parts = reader.fetch(id, 0, size)?.parts ?? 0;
        const read = Array.from({ length: parts }, (_, part) => reader.fetch(id, part, size)?.text ?? '?');
        expect(read.join('')).toBe(text);
        expect(read.every((part) => part.isWellFormed() && part.length <= size + 1)).toBe(true);
      }
    });
  });
});

describe('chunks', () => {
  const pages: Document[] = [
    { id: 'short', title: 'Short', text: 'Only a few words.' },
    { id: 'long', title: 'Long page', text: long(50) },
  ];
  const chunk = { words: 60, overlap: 12 };

  test('are found by their own words and by the title, and name their page', async () => {
    await withIndex(pages, { chunk }, (reader) => {
      const [passage = -1] = reader.search('topic30', 1).passages;
      const { id, title, parentId, preview } = reader.card(passage);
      expect({ title, parentId }).toEqual({ title: 'Long page', parentId: 'long' });
      expect(id).toMatch(/^long#[1-9]$/);
      expect(preview).toMatch(/^Sentence number \d+ is about/);
      expect(reader.text(passage).text).toContain('topic30');
      expect(reader.search('page', 100).passages.length).toBeGreaterThan(5);
      expect(reader.card(0)).toMatchObject({ id: 'short', parentId: '' });
    });
  });

  test('are fetched by their ids, and so is the whole page by its own', async () => {
    await withIndex(pages, { chunk }, (reader) => {
      const first = reader.passageOf('long') ?? NaN;
      expect(reader.passageOf('long#2')).toBe(first + 2);
      const text = reader.text(first + 2).text;
      expect(reader.fetch('long#2', 0, 10_000)).toEqual({
        id: 'long#2',
        title: 'Long page',
        text,
        parentId: 'long',
        part: 0,
        parts: 1,
        characters: text.length,
      });
      const parts = reader.fetch('long#2', 0, 100)?.parts ?? 0;
      const joined = Array.from({ length: parts }, (_, part) => reader.fetch('long#2', part, 100)?.text).join('');
      expect(joined).toBe(text);
      expect(reader.fetch('long', 0, 100_000)).toMatchObject({ text: long(50), parentId: '' });
      for (const id of ['long#99', 'long#', 'long#02', 'long#-1', 'short#0', 'none#0', '#0'])
        expect(reader.fetch(id, 0, 100), id).toBeUndefined();
    });
  });

  test('leave no page whose id could be taken for one', async () => {
    const named = [{ id: 'long#1', title: '', text: 'x' }];
    await expect(withIndex(named, { chunk }, () => {})).rejects.toThrow(/:1: id: "long#1" ends like the id of a chunk/);
    await withIndex(named, {}, (reader) => expect(reader.passageOf('long#1')).toBe(0));
  });
});
