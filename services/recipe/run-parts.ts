import { z } from 'zod';
import { isLocation, isStored } from '#artefacts/location.ts';
import { rowFormats } from '#questions/formats/index.ts';
import type { EndpointSettings } from '#endpoint/server-fields.ts';
import type { Recipe } from './schema.ts';

/** Parts of a recipe that hold for the whole run. */

const day = 24 * 3600_000;
const anyPath = z.string().min(1).max(4096);
/** Of what is read where it lies, as code. */
export const filePath = anyPath.refine(
  (path) => !isStored(path),
  'must be a path: only data, corpora and models are taken from a store',
);
/** Of an input that may lie in a store. */
export const inputPath = anyPath.refine(
  (path) => !isStored(path) || isLocation(path),
  'must be a path, or artefact: and 64 lower-case hexadecimal digits, as gradus artefact put prints it',
);

const worldSchema = z
  .strictObject({
    seed: z
      .int()
      .min(0)
      .max(2 ** 31 - 1)
      .default(1)
      .describe('Seed of the generated world.'),
    train: z.int().min(1).max(1_000_000).default(2000).describe('Training questions.'),
    held_out: z
      .int()
      .min(1)
      .max(100_000)
      .default(300)
      .describe('Held-out questions; their entities and facts are disjoint from the training ones.'),
  })
  .describe('A generated world.');

const musiqueSchema = z
  .strictObject({
    questions: inputPath.describe('Questions in the MuSiQue schema, relative to the recipe.'),
    corpus: inputPath
      .optional()
      .describe('Corpus, relative to the recipe; by default the union of all paragraphs of the questions.'),
    held_out: z.int().min(1).max(100_000).default(100).describe('Questions kept out of training for evaluation.'),
    selection: z
      .enum(['jan_nano', 'all'])
      .default('all')
      .describe('`jan_nano`: the 10,325 questions of arXiv 2506.22760; `all`: every row.'),
  })
  .describe('Questions in the official MuSiQue schema.');

const filesSchema = z
  .strictObject({
    train: inputPath.describe('Training questions in the MuSiQue schema, relative to the recipe.'),
    held_out: inputPath.describe('Held-out questions in the MuSiQue schema, relative to the recipe.'),
    corpus: inputPath
      .optional()
      .describe('Corpus, relative to the recipe; may be left out where the environment searches none.'),
  })
  .describe('Files that are split already.');

const rowsSchema = z
  .strictObject({
    format: z
      .enum(rowFormats)
      .default('gradus')
      .describe(
        '`plain`: id, data, gold, tags; `gradus`: question, answer (or answers), id, aliases, hops, support_titles, tags; `search_r1`: question, golden_answers; `hotpotqa`, `2wiki`, `simpleqa`: as published.',
      ),
    train: inputPath.describe(
      'Training questions, relative to the recipe: JSON lines, one JSON array, CSV (`.csv`, `.tsv`) or Parquet; gzip and Zstandard are decompressed.',
    ),
    columns: z
      .record(z.string().min(1).max(256), z.string().min(1).max(256))
      .optional()
      .describe(
        'Columns, or keys, of the files by the field of the format that they hold: `{ question: problem, tags.level: difficulty }`.',
      ),
    held_out: z
      .union([z.int().min(1).max(100_000), inputPath], 'must be a number of questions or the path of a file')
      .default(100)
      .describe('Questions for evaluation: a file of their own, or how many of `train` are kept out of training.'),
    corpus: inputPath
      .optional()
      .describe(
        'Corpus, relative to the recipe; by default the union of all paragraphs of `hotpotqa` or `2wiki`. May be left out where the environment searches none.',
      ),
  })
  .describe('Questions of any kind, with the answers that the scorers read.');

export const dataSchema = z
  .strictObject({
    world: worldSchema.optional(),
    musique: musiqueSchema.optional(),
    files: filesSchema.optional(),
    rows: rowsSchema.optional(),
  })
  .describe(
    'Where questions and corpus come from: exactly one of `world`, `musique`, `files`, `rows`. A file may be one of a store, `artefact:DIGEST`.',
  );

/** Other services of the fleet may run in other folders: a relative path would mean another one there. */
const searchModel = z
  .string()
  .min(1)
  .max(512)
  .regex(/^(?!\.)/, 'must be a hub id (owner/name[@revision]) or an absolute path');

export const retrievalSchema = z
  .strictObject({
    method: z
      .enum(['lexical', 'dense'])
      .default('lexical')
      .describe('`lexical`: BM25. `dense`: an encoder, then optionally a reranker.'),
    analyzer: z.enum(['standard', 'english']).default('standard').describe('How text is cut into terms.'),
    k1: z.number().min(0).max(10).default(1.2).describe('BM25 saturation of term frequency.'),
    b: z.number().min(0).max(1).default(0.75).describe('BM25 length normalisation.'),
    encoder: searchModel
      .optional()
      .describe('Sentence encoder for `dense`: a hub id, for example intfloat/e5-base-v2, or an absolute path.'),
    reranker: z
      .strictObject({
        model: searchModel.describe('Cross-encoder: a hub id, or an absolute path.'),
        candidates: z
          .int()
          .min(1)
          .max(1000)
          .default(15)
          .describe('Hits that are reranked; a search returns no more than these.'),
      })
      .optional()
      .describe('Second pass over the best hits.'),
  })
  .describe('The search service.');

export const evalSchema = z
  .strictObject({
    questions: z
      .int()
      .min(1)
      .max(100_000)
      .default(200)
      .describe('Held-out questions per evaluation, the first of a seeded order.'),
    sampled: z.boolean().default(true).describe('Evaluate at temperature 1.'),
    greedy: z.boolean().default(true).describe('Evaluate with the likeliest tokens.'),
    every_steps: z
      .int()
      .min(0)
      .max(100_000)
      .default(0)
      .describe('Also evaluate after this many steps of a stage; 0 is never.'),
    deadline_ms: z
      .int()
      .min(1)
      .max(7 * day)
      .default(1_800_000)
      .describe('Longest time of one evaluation; what is missing then is absent.'),
  })
  .describe('Held-out evaluation before, between and after stages.');

export const checkpointsSchema = z
  .strictObject({
    every_steps: z
      .int()
      .min(1)
      .max(100_000)
      .default(5)
      .describe('Steps between checkpoints with the optimiser; the last step of a stage always has one.'),
    keep: z.int().min(1).max(1000).default(2).describe('Newest checkpoints that are kept.'),
    keep_best: z
      .int()
      .min(0)
      .max(100)
      .default(0)
      .describe(
        'Versions of the policy that are kept next to the newest ones: those with the best held-out score, the primary metric of the environment, greedy where `eval.greedy` is on. Without the optimiser.',
      ),
  })
  .describe('What a resume starts from.');

/** The recipe's endpoint as the service takes it. */
export function endpointSettings(endpoint: NonNullable<Recipe['model']['endpoint']>): EndpointSettings {
  const { base_url: baseUrl, model, api_key_env: apiKeyEnv, extra_body: extraBody } = endpoint;
  const { max_tokens_field: maxTokensField } = endpoint;
  return {
    baseUrl,
    model,
    maxTokensField,
    ...(apiKeyEnv !== undefined && { apiKeyEnv }),
    ...(extraBody !== undefined && { extraBody }),
  };
}
