/**
 * The files that are read into memory whole, and what they hold. Numbers are little-endian.
 *
 * | file                   | holds                                                                        |
 * |------------------------|------------------------------------------------------------------------------|
 * | `terms.text`           | the terms in UTF-8, one after the other                                      |
 * | `terms.offsets`        | where each begins, and the end of the last                                   |
 * | `terms.slots`          | hash table from a term to its number (`hash-slots.ts`)                       |
 * | `terms.blocks`         | first block of each term, and the number of blocks                           |
 * | `terms.bounds`         | most that a posting of the term adds to a score, per unit of idf             |
 * | `blocks.bases`         | first passage of each block                                                  |
 * | `blocks.starts`        | first posting of each block, and the number of postings                      |
 * | `blocks.bounds`        | as `terms.bounds`, for a block                                               |
 * | `postings.passages`    | passage of a posting, less the base of its block                             |
 * | `postings.frequencies` | how often the term stands there; 255: look among the escapes                 |
 * | `postings.escapes`     | pairs of a posting and its frequency where that is 255 or more               |
 * | `passages.lengths`     | words of each passage                                                        |
 * | `passages.chunks`      | page, first and last unit of each passage; empty where passages are pages    |
 * | `pages.passages`       | first passage of each page, and the number of passages; empty as above       |
 * | `pages.slots`          | hash table from an id to its page                                            |
 * | `pages.offsets`        | where the record of each page begins in `pages`, and the end of the last     |
 * | `cards.offsets`        | the same for the card of each passage in `cards`                             |
 */
export const lexicalFiles = {
  'terms.text': 'bytes',
  'terms.offsets': 'u32',
  'terms.slots': 'u32',
  'terms.blocks': 'u32',
  'terms.bounds': 'f32',
  'blocks.bases': 'u32',
  'blocks.starts': 'u32',
  'blocks.bounds': 'f32',
  'postings.passages': 'u16',
  'postings.frequencies': 'bytes',
  'postings.escapes': 'u32',
  'passages.lengths': 'u32',
  'passages.chunks': 'u32',
  'pages.passages': 'u32',
  'pages.slots': 'u32',
  'pages.offsets': 'f64',
  'cards.offsets': 'f64',
} as const;

export type LexicalFileName = keyof typeof lexicalFiles;

/** The files that stay on disk: `pages` holds (id, title, text), `cards` (id, title, preview, parent id). */
export const contentFiles = ['pages', 'cards'] as const;
export type ContentFileName = (typeof contentFiles)[number];

export const pageFields = { id: 0, title: 1, text: 2, count: 3 } as const;
export const cardFields = { count: 4 } as const;
