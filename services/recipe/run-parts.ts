import { z } from 'zod';
import { rowFormats } from '#questions/formats/index.ts';
import { fleetBounds } from '#platform/runtime/fleet-bounds.ts';
import type { EndpointSettings } from '#endpoint/server-fields.ts';
import type { Recipe } from './schema.ts';

/** Parts of a recipe that hold for the whole run. */

const day = 24 * 3600_000;
/** Of a judge, in `judges` as in `fleet.scripted_judges`. */
export const judgeName = z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be lower case, digits and _, at most 64');
export const filePath = z.string().min(1).max(4096);

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
    questions: filePath.describe('Questions in the MuSiQue schema, relative to the recipe.'),
    corpus: filePath
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
    train: filePath.describe('Training questions in the MuSiQue schema, relative to the recipe.'),
    held_out: filePath.describe('Held-out questions in the MuSiQue schema, relative to the recipe.'),
    corpus: filePath
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
    train: filePath.describe(
      'Training questions, relative to the recipe: JSON lines, one JSON array, CSV (`.csv`, `.tsv`) or Parquet; gzip and Zstandard are decompressed.',
    ),
    columns: z
      .record(z.string().min(1).max(256), z.string().min(1).max(256))
      .optional()
      .describe(
        'Columns, or keys, of the files by the field of the format that they hold: `{ question: problem, tags.level: difficulty }`.',
      ),
    held_out: z
      .union([z.int().min(1).max(100_000), filePath], 'must be a number of questions or the path of a file')
      .default(100)
      .describe('Questions for evaluation: a file of their own, or how many of `train` are kept out of training.'),
    corpus: filePath
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
  .describe('Where questions and corpus come from: exactly one of `world`, `musique`, `files`, `rows`.');

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

const scriptedJudgeSchema = z
  .strictObject({
    noise: z
      .number()
      .min(0)
      .max(100)
      .default(0)
      .describe('Scale of its logistic error; answers are worth 0..1, by the hops that they get right.'),
    position_bias: z
      .number()
      .min(-100)
      .max(100)
      .default(0)
      .describe('Log-odds in favour of what is shown first; needs noise.'),
    tie_band: z.number().min(0).max(100).default(0).describe('Differences, as it sees them, up to this are ties.'),
    seed: z.string().max(256).default('judge').describe('Of its errors.'),
    latency_median_ms: z.number().min(0).max(600_000).default(0).describe('Median time of a reply; 0 is none.'),
    latency_sigma: z.number().min(0).max(4).default(0).describe('Sigma of its log-normal distribution.'),
  })
  .describe(
    'An endpoint that knows the answers (services/scripted/judge): what comes of it says nothing about models.',
  );

export const fleetSchema = z
  .strictObject({
    workers: z.int().min(1).max(1024).default(1).describe('Rollout workers that `gradus up` starts.'),
    coordinators: z
      .int()
      .min(1)
      .max(8)
      .default(1)
      .describe('Coordinators that `gradus up` starts: one leads a run, the others take over when it dies.'),
    engines: z.int().min(1).max(fleetBounds.engines).default(1).describe('Engines that `gradus up` starts.'),
    gateways: z
      .int()
      .min(1)
      .max(64)
      .default(1)
      .describe(
        'Policy gateways that `gradus up` starts, each in front of all engines: they share tokenising and sessions, and one that dies loses its calls to the others.',
      ),
    concurrency: z
      .int()
      .min(1)
      .max(fleetBounds.workerConcurrency)
      .default(256)
      .describe('Rollouts at once in one worker.'),
    max_open_rollouts: z
      .int()
      .min(1)
      .max(65_536)
      .default(512)
      .describe('Rollouts that are published and unanswered at once, over all workers.'),
    hung_after_ms: z
      .int()
      .min(2_000)
      .max(3_600_000)
      .default(12_000)
      .describe('A service that lives and answers no health check for this long is killed and started again.'),
    engine: z
      .strictObject({
        kind: z
          .enum(['builtin', 'scripted'])
          .default('builtin')
          .describe('`scripted` writes what `scripted` says in place of a model: for sizing, chaos and benches.'),
        max_context: z.int().min(16).max(1_048_576).default(1024).describe('Longest sequence in tokens.'),
        max_running: z
          .int()
          .min(1)
          .max(fleetBounds.scriptedRunning)
          .default(256)
          .describe(`Sequences generated at once; at most ${fleetBounds.builtinRunning} in the built-in engine.`),
        cache_mebibytes: z.int().min(16).max(1_048_576).default(512).describe('Memory of keys and values in MiB.'),
        threads: z.int().min(1).max(1024).default(2).describe('CPU threads.'),
        device: z.enum(['cpu', 'cuda']).default('cpu').describe('Where it computes.'),
      })
      .prefault({})
      .describe('Each engine.'),
    learner: z
      .strictObject({
        kind: z
          .enum(['builtin', 'scripted'])
          .default('builtin')
          .describe('`scripted` counts steps and trains nothing; needs a scripted engine.'),
        threads: z.int().min(1).max(1024).default(2).describe('CPU threads.'),
        micro_batch_tokens: z
          .int()
          .min(64)
          .max(16_777_216)
          .default(16_384)
          .describe('Tokens of one forward pass, padding included.'),
        device: z.enum(['cpu', 'cuda']).default('cpu').describe('Where it computes.'),
      })
      .prefault({})
      .describe('The learner.'),
    scripted: z
      .strictObject({
        turns: z
          .int()
          .min(1)
          .max(1000)
          .default(3)
          .describe('Turns of a rollout: tool calls, and the answer as the last.'),
        right_probability: z.number().min(0).max(1).default(0.5).describe('Share of answers that are right.'),
        latency_median_ms: z.number().min(0).max(600_000).default(0).describe('Median time of a turn; 0 is none.'),
        latency_sigma: z.number().min(0).max(4).default(0).describe('Sigma of its log-normal distribution.'),
        step_ms: z.int().min(0).max(3_600_000).default(0).describe('Time of a training step.'),
      })
      .prefault({})
      .describe('What scripted engines and a scripted learner play.'),
    scripted_judges: z
      .record(judgeName, scriptedJudgeSchema)
      .refine((judges) => Object.keys(judges).length <= 8, 'takes at most 8 judges')
      .default({})
      .describe(
        'Judges that judge by rule, by name: each stands in for the one of `judges`, whose other settings hold, or alone.',
      ),
  })
  .describe('Processes on one machine. Not part of the recipe hash: another fleet gives the same tasks.');

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
