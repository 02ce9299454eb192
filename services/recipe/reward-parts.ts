import { z } from 'zod';
import {
  checkRange,
  httpScorerShape,
  pythonScorerShape,
  typescriptScorerShape,
} from '#rewards/custom-scorer-settings.ts';
import { judgeSettings } from '#rewards/judge-settings.ts';
import { judgeName } from './fleet-schema.ts';
import { filePath } from './run-parts.ts';
import { snakeShape } from './snake-shape.ts';

/** Parts of a recipe that say how rollouts are scored beyond the built-in scorers. */

const name = z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be lower case, digits and _, at most 64');
const judge = judgeName.describe('Name of a judge.');
const finite = z.number().min(-1e6).max(1e6);

const grade = z
  .strictObject({
    kind: z.literal('grade'),
    judge,
    not_attempted: z.number().min(0).max(1).default(0).describe('Value of an answer that was not attempted.'),
  })
  .describe("SimpleQA's three grades.");

const rubric = z
  .strictObject({
    kind: z.literal('rubric'),
    judge,
    criteria: z
      .record(
        name,
        z.strictObject({
          about: z
            .string()
            .regex(/\S/, 'must not be blank')
            .max(4096)
            .describe('What deserves 1 and what deserves 0, for the judge.'),
          weight: z.number().positive().max(100).default(1).describe('In the weighted mean.'),
        }),
      )
      .refine((criteria) => Object.keys(criteria).length >= 1, 'needs at least one criterion')
      .refine((criteria) => Object.keys(criteria).length <= 16, 'takes at most 16 criteria')
      .describe('What is rated, by name.'),
  })
  .describe('Criteria that a judge rates within 0..1.');

const groupwise = {
  judge,
  compared: z
    .enum(['answer', 'transcript'])
    .default('answer')
    .describe('What the judge reads: the answer, or everything that the policy wrote.'),
  criterion: z
    .string()
    .min(1)
    .max(8192)
    .optional()
    .describe('What makes one sample better; by default correct first, then complete, then brief.'),
  pointwise_first: z
    .strictObject({
      tolerance: z.number().min(0).max(100).default(0).describe('Differences up to this are ties.'),
      top_only: z.boolean().default(false).describe('Only the tie at the top is compared.'),
    })
    .optional()
    .describe("A better point-wise reward is above without asking; only ties are compared (Nanbeige4.1's order)."),
  partial: z
    .enum(['absent', 'aggregate'])
    .default('absent')
    .describe('When judgements are missing: no sample has a score, or what is there counts.'),
  deadline_ms: z
    .int()
    .min(1)
    .max(7_200_000)
    .optional()
    .describe("Longest time of one group; by default the judge's group_timeout_ms."),
};

const pairwise = z
  .strictObject({
    kind: z.literal('pairwise'),
    ...groupwise,
    schedule: z
      .enum(['all_pairs', 'circular', 'swiss', 'budget'])
      .default('all_pairs')
      .describe('Which pairs are compared.'),
    rounds: z
      .int()
      .min(1)
      .max(63)
      .optional()
      .describe('Of circular (default 1) and swiss (default log2 of the samples).'),
    pairs: z.int().min(1).max(2016).optional().describe('Of budget, and needed there.'),
    one_order: z.boolean().default(false).describe('Judge each pair once, in an order drawn by the seed.'),
    forbid_ties: z.boolean().default(false).describe('The judge has to prefer one.'),
    aggregation: z
      .enum(['bradley_terry', 'win_rate'])
      .default('bradley_terry')
      .describe('How comparisons become scores.'),
  })
  .describe("Comparison of a group's samples, two at a time.");

const listwise = z
  .strictObject({
    kind: z.literal('listwise'),
    ...groupwise,
    passes: z.int().min(1).max(16).default(3).describe('Times that the list is ranked, shuffled anew each time.'),
  })
  .describe("A ranking of a group's samples.");

const path = filePath.describe('Its file, relative to the recipe.');

const typescript = z
  .strictObject({ ...snakeShape(typescriptScorerShape), path })
  .check(checkRange)
  .describe('One file of TypeScript.');

const python = z
  .strictObject({ ...snakeShape(pythonScorerShape), path })
  .check(checkRange)
  .describe("A Python function with verl's signature.");

const http = z
  .strictObject(snakeShape(httpScorerShape))
  .check(checkRange)
  .describe('A server that scores one rollout a call.');

/** Scorers that a recipe declares, by kind. `grade` and `rubric` are judged, `pairwise` and `listwise` groupwise, the others custom. */
export const declaredScorerSchema = z.discriminatedUnion('kind', [
  grade,
  rubric,
  pairwise,
  listwise,
  typescript,
  python,
  http,
]);

export type DeclaredScorer = z.output<typeof declaredScorerSchema>;
export type GroupwiseScorer = Extract<DeclaredScorer, { kind: 'pairwise' | 'listwise' }>;
export type CustomScorer = Extract<DeclaredScorer, { kind: 'typescript' | 'python' | 'http' }>;

export const declaredScorersSchema = z
  .record(name, declaredScorerSchema)
  .refine((scorers) => Object.keys(scorers).length <= 32, 'takes at most 32 scorers')
  .describe('Scorers of this recipe by name, next to the built-in ones; stages weigh them in `rewards`.');

/** The reward service's settings of a judge in a recipe's spelling: base_url, model, api_key_env … */
export const judgesSchema = z
  .record(judgeName, z.strictObject(snakeShape(judgeSettings.shape)))
  .refine((judges) => Object.keys(judges).length <= 32, 'takes at most 32 judges')
  .describe('Judges by name: endpoints of the chat completions API. Not part of the recipe hash, as the fleet.');

const named = name.describe('A component or a detector.');

export const compositionSchema = z
  .strictObject({
    normalize: z
      .boolean()
      .default(false)
      .describe('Divide the weighted sum by the sum of the weights: 0..1 in every stage.'),
    penalties: z
      .record(name, z.number().positive().max(100))
      .refine((penalties) => Object.keys(penalties).length <= 16, 'takes at most 16 penalties')
      .default({})
      .describe('Subtracts size x value, by component or detector.'),
    gates: z
      .array(
        z.strictObject({
          name: named,
          at_least: finite.optional().describe('Least value with which it holds.'),
          at_most: finite.optional().describe('Most.'),
          otherwise: finite.default(0).describe('The reward when it does not hold.'),
        }),
      )
      .max(16)
      .default([])
      .describe('The first that does not hold decides the reward.'),
    clip: z
      .strictObject({
        low: finite.optional().describe('Least reward.'),
        high: finite.optional().describe('Most.'),
      })
      .optional()
      .describe('Bounds of the reward.'),
    overlong: z
      .strictObject({
        max_tokens: z
          .int()
          .min(1)
          .max(1_048_576)
          .optional()
          .describe('Tokens of the policy at which the penalty is full; by default the context limit.'),
        buffer_tokens: z.int().min(1).max(1_048_576).describe('Tokens before that over which the penalty grows.'),
        factor: z.number().min(0).max(100).default(1).describe('Full penalty.'),
      })
      .optional()
      .describe("DAPO's soft overlong penalty on the policy's own tokens, added last: 0 to -factor."),
  })
  .describe('Weighted sum, normalised, less penalties, gated, clipped, less the overlong penalty: in this order.');

export type CompositionRecipe = z.output<typeof compositionSchema>;
