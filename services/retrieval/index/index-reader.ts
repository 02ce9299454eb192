import { createRecordReader } from '../content/record-file.ts';
import { wholePairs } from '../content/whole-pairs.ts';
import type { DocumentPart } from '../retriever.ts';
import { createBm25Search, type Bm25Search } from './bm25-search.ts';
import { findSlot } from './hash-slots.ts';
import { hashId } from './id-table.ts';
import { cardFields, pageFields } from './lexical-files.ts';
import type { IndexData } from './open-index.ts';

/** What a hit shows of a passage. */
export interface Card {
  readonly id: string;
  readonly title: string;
  readonly preview: string;
  /** Id of the page that the passage was cut from; empty where it is the page. */
  readonly parentId: string;
}

/** One thread's view of an open index. Nothing waits: content comes by positional reads of a few kilobytes. */
export interface IndexReader {
  /** The exact k best passages, best first; equal scores in the order of the corpus. */
  readonly search: Bm25Search;
  card(passage: number): Card;
  /** What an encoder reads. */
  text(passage: number): { readonly title: string; readonly text: string };
  /**
   * A part of a page or chunk by its id; undefined for an unknown id. Parts have `partCharacters` UTF-16 units, or one
   * less or more so that no pair of them is parted; joined they are the whole text.
   */
  fetch(id: string, part: number, partCharacters: number): DocumentPart | undefined;
  /** The first passage of a page, or a chunk, by its id. */
  passageOf(id: string): number | undefined;
}

/** A page, or the part of one that is a passage. */
interface Stretch {
  readonly page: number;
  readonly from: number;
  readonly to: number;
}

export function createIndexReader(data: IndexData): IndexReader {
  const { arrays, descriptors } = data;
  const cards = createRecordReader({
    descriptor: descriptors.cards,
    offsets: arrays['cards.offsets'],
    strings: cardFields.count,
  });
  const pages = createRecordReader({
    descriptor: descriptors.pages,
    offsets: arrays['pages.offsets'],
    strings: pageFields.count,
  });
  const slots = arrays['pages.slots'];
  const chunks = arrays['passages.chunks'];
  const firstPassages = arrays['pages.passages'];
  const chunked = chunks.length > 0;
  const textOf = (page: number, from: number, to: number): string => pages.slice(page, pageFields.text, from, to);
  const titleOf = (page: number): string => pages.slice(page, pageFields.title, 0, Infinity);

  const pageOf = (id: string): number =>
    findSlot(slots, hashId(id), (page) => pages.slice(page, pageFields.id, 0, Infinity) === id);
  const stretchOf = (passage: number): Stretch =>
    chunked
      ? { page: chunks[3 * passage] ?? 0, from: chunks[3 * passage + 1] ?? 0, to: chunks[3 * passage + 2] ?? 0 }
      : { page: passage, from: 0, to: Infinity };

  /** Of the id of a chunk. */
  const chunkOf = (id: string): { readonly passage: number; readonly parentId: string } | undefined => {
    const mark = chunked ? id.lastIndexOf('#') : -1;
    if (mark < 0 || !/^(?:0|[1-9]\d*)$/.test(id.slice(mark + 1))) return undefined;
    const parentId = id.slice(0, mark);
    const page = pageOf(parentId);
    const first = firstPassages[page] ?? 0;
    const next = firstPassages[page + 1] ?? 0;
    const passage = first + Number(id.slice(mark + 1));
    return page >= 0 && next - first > 1 && passage < next ? { passage, parentId } : undefined;
  };

  return {
    search: createBm25Search(data),
    card(passage) {
      const [id = '', title = '', preview = '', parentId = ''] = cards.read(passage);
      return { id, title, preview, parentId };
    },
    text(passage) {
      const { page, from, to } = stretchOf(passage);
      return { title: titleOf(page), text: textOf(page, from, to) };
    },
    fetch(id, part, partCharacters) {
      const whole = pageOf(id);
      const chunk = whole >= 0 ? undefined : chunkOf(id);
      if (whole < 0 && chunk === undefined) return undefined;
      const { page, from, to } =
        chunk === undefined ? { page: whole, from: 0, to: Infinity } : stretchOf(chunk.passage);
      const end = Math.min(to, pages.length(page, pageFields.text));
      const start = Math.min(end, from + part * partCharacters);
      return {
        id,
        title: titleOf(page),
        text: wholePairs((first, last) => textOf(page, first, last), { from, end }, start, start + partCharacters),
        parentId: chunk?.parentId ?? '',
        part,
        parts: Math.max(1, Math.ceil((end - from) / partCharacters)),
        characters: end - from,
      };
    },
    passageOf(id) {
      const page = pageOf(id);
      if (page >= 0) return chunked ? firstPassages[page] : page;
      return chunkOf(id)?.passage;
    },
  };
}
