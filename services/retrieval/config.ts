import { z } from 'zod';
import { baseConfig } from '#shared/runtime/config.ts';
import { analyzerNames } from './analyzer/analyzer.ts';

export const retrievalConfig = baseConfig.extend({
  corpus: z
    .string({ error: 'give the path of a corpus in JSONL' })
    .min(1, 'give the path of a corpus in JSONL')
    .describe('Path of the corpus: JSONL, one {"id", "contents"} or {"id", "title", "text"} a line.'),
  analyzer: z
    .enum(analyzerNames)
    .default('standard')
    .describe("standard: lower-cased words. english: also drops possessives and stop words, then Porter's stems."),
  k1: z.number().min(0).max(100).default(1.2).describe('BM25: saturation of the term frequency, 0..100.'),
  b: z.number().min(0).max(1).default(0.75).describe('BM25: strength of the length normalisation, 0..1.'),
});

export type RetrievalConfig = z.infer<typeof retrievalConfig>;
