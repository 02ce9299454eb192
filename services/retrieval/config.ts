import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { artefactFields } from '#artefacts/artefact-files.ts';
import { isStored } from '#artefacts/location.ts';
import { baseConfig, bindAddress } from '#platform/runtime/config.ts';
import { analyzerNames } from './analyzer/analyzer.ts';

const path = z.string().min(1, 'must be a path');

/** A search takes about twice the time that its call takes in the thread which all callers share (decision 0047). */
const defaultSearchThreads = (): number => Math.min(4, Math.max(1, availableParallelism() - 1));

export const retrievalConfig = baseConfig
  .extend({
    http: bindAddress
      .optional()
      .describe('Where HTTP (Search-R1, Menlo, ReCall) and MCP are served, host:port; not served when absent.'),
    httpTimeoutMs: z
      .int()
      .min(1)
      .max(600_000)
      .default(20_000)
      .describe('Longest time that an HTTP request may take before it is answered with 504, in milliseconds.'),
    httpOverloadStatus: z
      .literal([429, 503])
      .default(429)
      .describe("HTTP status when too much is waiting: 429, or 503 for clients that retry only 5xx (verl's)."),
    backend: z
      .enum(['local', 'lancedb'])
      .default('local')
      .describe(
        'local: an index of this machine (corpus, index). lancedb: one that replicas share, in a directory or an object ' +
          'store (uri).',
      ),
    uri: path
      .optional()
      .describe('Where a LanceDB index was published: a directory, or s3://, gs:// or az:// with bucket and path.'),
    storageOptions: z
      .record(z.string(), z.string())
      .default({})
      .meta({ secret: true })
      .describe(
        'Options of the object store as JSON, for example {"region": "eu-1"}. Credentials are better left to the store\'s ' +
          'own variables or the identity of the machine.',
      ),
    corpus: path
      .optional()
      .describe(
        'Path of the corpus, where no --index is given: {"id", "contents"} or {"id", "title", "text"} as JSON lines, CSV or Parquet. Indexed at start, unless ' +
          'an index is given, too: then the index must be of this corpus. artefact:DIGEST is fetched from the store first.',
      )
      .meta({ example: 'corpus.jsonl' }),
    index: path
      .optional()
      .describe(
        'Directory of an index that `gradus index build` wrote; Reload reads it again, also behind a symlink. artefact:DIGEST is fetched from the store first.',
      ),
    ...artefactFields,
    analyzer: z
      .enum(analyzerNames)
      .optional()
      .describe(
        "standard: lower-cased words. english: also drops possessives and stop words, then Porter's stems. Default " +
          'standard; with an index, that of the index.',
      ),
    k1: z
      .number()
      .min(0)
      .max(100)
      .optional()
      .describe('BM25: saturation of the term frequency, 0..100. Default 1.2; with an index, that of the index.'),
    b: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe('BM25: strength of the length normalisation, 0..1. Default 0.75; with an index, that of the index.'),
    titleBoost: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .describe('How often each word of a title counts, 1..100. Default 1; with an index, that of the index.'),
    chunkWords: z
      .int()
      .min(10)
      .max(100_000)
      .optional()
      .describe('Pages longer than this many words become several passages; a page is a passage when absent.'),
    chunkOverlap: z
      .int()
      .min(0)
      .max(50_000)
      .optional()
      .describe(
        'Words that two neighbouring passages of a page share: at most half of chunkWords, a fifth by default.',
      ),
    encoder: path
      .optional()
      .describe(
        'Model that turns queries into vectors: a directory, or a hub id such as intfloat/e5-base-v2. It must be the one ' +
          'that made the vectors of the index; with a corpus alone the passages are encoded at start.',
      ),
    reranker: path
      .optional()
      .describe(
        'Cross-encoder that orders the best hits anew: a directory, or a hub id such as ' +
          'cross-encoder/ms-marco-MiniLM-L12-v2.',
      ),
    rerankFrom: z.int().min(1).max(1_000).default(15).describe('Hits that the cross-encoder reads.'),
    rerankTo: z.int().min(1).max(1_000).default(10).describe('Most hits of a reranked answer, at most rerankFrom.'),
    defaultMode: z
      .enum(['lexical', 'dense', 'hybrid'])
      .optional()
      .describe(
        'Mode of a search whose request names none; hybrid where there are an encoder and vectors, else lexical.',
      ),
    defaultRerank: z
      .boolean()
      .optional()
      .describe('Whether hits are reranked when the request does not say; true where there is a reranker.'),
    requireModels: z
      .boolean()
      .default(false)
      .describe(
        'End at start, with the reason, where an encoder, its vectors or a cross-encoder that is asked for cannot be had, rather ' +
          'than search without it.',
      ),
    modelThreads: z
      .int()
      .min(0)
      .max(1_024)
      .default(0)
      .describe('Processors that encoder, cross-encoder and search by vectors use; 0 is all.'),
    searchThreads: z
      .int()
      .min(0)
      .max(64)
      .default(defaultSearchThreads)
      .describe('Threads that search, next to the one that serves callers; 0 searches in that one.')
      .meta({ byDefault: 'one fewer than there are processors, 1 to 4' }),
    cacheMib: z
      .int()
      .min(0)
      .max(65_536)
      .default(64)
      .describe('Memory for answers that are given again without a search, in MiB; 0 searches every time.'),
    maxMs: z
      .int()
      .min(1)
      .max(600_000)
      .default(30_000)
      .describe('Longest time that a call may wait for its answer, whatever its own deadline, in milliseconds.'),
    maxWaitingQueries: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(32_768)
      .describe('Most queries that may wait or be worked on at once; beyond, callers are asked to come back.'),
    maxWaitingBytes: z
      .int()
      .min(8_192)
      .max(2 ** 40)
      .default(256 * 2 ** 20)
      .describe('Most bytes that those queries and the answers held for them may take; beyond, callers are refused.'),
  })
  .superRefine((config, context) => {
    const { corpus, index, chunkWords, chunkOverlap, encoder, reranker, rerankFrom, rerankTo } = config;
    const wrong = (field: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [field], message, input: undefined });
    if (config.backend === 'local') {
      if (corpus === undefined && index === undefined) {
        wrong('corpus', 'give the path of a corpus, or of an index with --index');
      }
      if (config.uri !== undefined) wrong('uri', 'needs backend lancedb (--backend lancedb)');
    } else {
      if (config.uri === undefined) wrong('uri', 'missing; say where the index was published');
      for (const field of ['index', 'analyzer', 'k1', 'b', 'titleBoost', 'chunkWords'] as const) {
        if (config[field] !== undefined)
          wrong(field, 'belongs to backend local; with lancedb the published index decides');
      }
    }
    for (const field of ['corpus', 'index'] as const)
      if (isStored(config[field] ?? '') && config.artefacts === undefined)
        wrong(field, `is ${config[field]}, which lies in a store; give --artefacts and --artefact-directory`);
    if (chunkWords !== undefined && 2 * (chunkOverlap ?? 0) > chunkWords) {
      wrong('chunkOverlap', `must be at most half of chunkWords (${chunkWords})`);
    }
    if (chunkWords === undefined && chunkOverlap !== undefined) wrong('chunkOverlap', 'needs chunkWords');
    if (rerankTo > rerankFrom) wrong('rerankTo', `must be at most rerankFrom (${rerankFrom})`);
    const { defaultMode = 'lexical', defaultRerank = false } = config;
    if (defaultMode !== 'lexical' && encoder === undefined) wrong('defaultMode', 'needs an encoder (--encoder MODEL)');
    if (defaultRerank && reranker === undefined) wrong('defaultRerank', 'needs a cross-encoder (--reranker MODEL)');
  });

export type RetrievalConfig = z.infer<typeof retrievalConfig>;
