import { z } from 'zod';
import { tableLines } from '../terminal/format.ts';

/** What `build` and `info` say of an index. */
export const indexDescriptionSchema = z.looseObject({
  directory: z.string(),
  indexVersion: z.string(),
  bytes: z.number(),
  builder: z.string(),
  corpus: z.looseObject({ path: z.string(), sha256: z.string(), pages: z.number(), passages: z.number() }),
  badLines: z.object({
    count: z.number(),
    first: z.array(z.object({ line: z.number(), problem: z.string() })),
  }),
  settings: z.looseObject({
    analyzer: z.string(),
    k1: z.number(),
    b: z.number(),
    titleBoost: z.number(),
    chunk: z.object({ words: z.number(), overlap: z.number() }).optional(),
  }),
  terms: z.number(),
  postings: z.number(),
  words: z.number(),
  vectors: z.looseObject({ model: z.string(), kind: z.string(), dimensions: z.number() }).optional(),
});
export type IndexDescription = z.infer<typeof indexDescriptionSchema>;

export function formatIndex(index: IndexDescription): string[] {
  const { corpus, settings, badLines, vectors } = index;
  const count = (value: number): string => value.toLocaleString('en-US');
  const rows: string[][] = [
    ['directory', index.directory],
    ['version', index.indexVersion],
    ['corpus', corpus.path],
    ['corpus SHA-256', corpus.sha256],
    ['pages', count(corpus.pages)],
    ['passages', count(corpus.passages)],
    ['terms', count(index.terms)],
    ['postings', count(index.postings)],
    ['words a passage', (index.words / corpus.passages).toFixed(1)],
    ['analyzer', settings.analyzer],
    ['k1, b', `${settings.k1}, ${settings.b}`],
    ['title boost', `${settings.titleBoost}`],
    [
      'chunks',
      settings.chunk === undefined ? 'none' : `${settings.chunk.words} words, overlap ${settings.chunk.overlap}`,
    ],
    ['vectors', vectors === undefined ? 'none' : `${vectors.model}, ${vectors.dimensions} dimensions, ${vectors.kind}`],
    ['size', `${(index.bytes / 1e6).toFixed(1)} MB`],
    ['bad lines', count(badLines.count)],
  ];
  const lines = badLines.first.map(({ line, problem }) => `line ${line} was skipped: ${problem}`);
  const more = badLines.count - lines.length;
  return [...tableLines(rows), ...lines, ...(more > 0 ? [`and ${more} more lines were skipped`] : [])];
}
