import { join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { showValue } from '#platform/text/show-value.ts';
import { createAnalyzer } from '../analyzer/analyzer.ts';
import { chunkText, type Chunk } from '../content/chunk-text.ts';
import { createRecordWriter } from '../content/record-file.ts';
import type { Page } from '../corpus/read-pages.ts';
import { previewOf } from '../preview.ts';
import { createGrowingArray } from './growing-array.ts';
import { createIdTableBuilder } from './id-table.ts';
import type { IndexFileWriters } from './index-files.ts';
import type { IndexSettings } from './manifest.ts';
import { createPostingsRun } from './postings-run.ts';

/** What reading the corpus leaves for the merge. */
export interface IndexedPages {
  readonly lengths: Uint32Array;
  /** Of all passages. */
  readonly words: number;
  /** Run files, in the order of their passages. */
  readonly runs: readonly string[];
}

export interface PageIndexer {
  /** Why a page cannot be taken; undefined where its id is taken down. */
  refuse(page: Page, where: string): TerminalError | undefined;
  add(page: Page): void;
  pages(): number;
  passages(): number;
  finish(): IndexedPages;
}

/** Passages are 32-bit numbers, and so are postings. */
const mostPassages = 2 ** 31;

/** Units of a text that are analysed at a time: a page of many megabytes must not become a list of all its words. */
const pieceUnits = 256 * 1024;

/** Writes pages, cards and lengths as pages come, and gathers postings into runs. */
export function createPageIndexer(files: IndexFileWriters, settings: IndexSettings, directory: string): PageIndexer {
  const { titleBoost, chunk: chunkSizes } = settings;
  const chunked = chunkSizes !== undefined;
  const analyzer = createAnalyzer(settings.analyzer);
  const pages = createRecordWriter(files.pages, files['pages.offsets']);
  const cards = createRecordWriter(files.cards, files['cards.offsets']);
  const ids = createIdTableBuilder();
  const lengths = createGrowingArray();
  const run = createPostingsRun(settings.memoryBytes);
  const runs: string[] = [];
  let words = 0;

  const spill = (): void => {
    if (run.isEmpty()) return;
    const path = join(directory, `run-${runs.length}`);
    run.spill(path);
    runs.push(path);
  };
  const addPassage = (title: string, body: string): void => {
    const passage = lengths.size();
    if (passage >= mostPassages)
      throw new TerminalError('invalid_argument', `the corpus has more than ${mostPassages} passages; split it`);
    // A word has at least one unit.
    if (!run.hasRoomFor(titleBoost * title.length + body.length)) spill();
    run.begin(passage);
    let length = 0;
    for (const piece of piecesOf(`${title}\n${body}`)) length += run.add(analyzer(piece));
    for (let time = 1; time < titleBoost; time += 1) length += run.add(analyzer(title));
    lengths.push(length);
    files['passages.lengths'].u32(length);
    words += length;
  };

  return {
    refuse({ id, line }, where) {
      if (chunked && /#\d+$/.test(id)) {
        // "page#3" names a part of "page", and a page of that name could not be distinguished from it.
        return new TerminalError(
          'invalid_argument',
          `${where}: id: ${showValue(id)} ends like the id of a chunk; rename it, or build without chunks`,
        );
      }
      const earlier = ids.add(id, line);
      if (earlier === undefined) return undefined;
      return new TerminalError(
        'invalid_argument',
        `${where}: id: ${showValue(id)} stands on line ${earlier} already; ids must be unique`,
      );
    },
    add({ id, title, text }) {
      const chunks: readonly Chunk[] = chunked ? chunkText(text, chunkSizes) : [{ start: 0, end: text.length }];
      if (chunked) files['pages.passages'].u32(lengths.size());
      for (const [number, { start, end }] of chunks.entries()) {
        const body = text.slice(start, end);
        addPassage(title, body);
        const cut = chunks.length > 1;
        cards.append([cut ? `${id}#${number}` : id, title, previewOf(title, body), cut ? id : '']);
        if (chunked) for (const value of [pages.records(), start, end]) files['passages.chunks'].u32(value);
      }
      pages.append([id, title, text]);
    },
    pages: pages.records,
    passages: lengths.size,
    finish() {
      spill();
      pages.finish();
      cards.finish();
      if (chunked) files['pages.passages'].u32(lengths.size());
      files['pages.slots'].write(new Uint8Array(ids.slots().buffer));
      return { lengths: lengths.view(), words, runs };
    },
  };
}

/** A text in pieces that end at white space, where no word can be cut. */
function piecesOf(text: string): readonly string[] {
  if (text.length <= pieceUnits) return [text];
  const pieces: string[] = [];
  for (let start = 0; start < text.length;) {
    let end = Math.min(text.length, start + pieceUnits);
    while (end < text.length && !/\s/.test(text.charAt(end))) end += 1;
    pieces.push(text.slice(start, end));
    start = end;
  }
  return pieces;
}
