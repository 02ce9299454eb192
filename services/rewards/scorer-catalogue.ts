import { z } from 'zod';

/** What a scorer compares the prediction with; decides which gold answers it can read (`goldProblem`). */
export type GoldKind = 'text' | 'number' | 'choice' | 'date' | 'interval' | 'set' | 'supports' | 'none';

/** Scorers without settings. Which run is for the environment and the recipe to say. */
export const plainScorers = ['exact_match', 'f1', 'tool_success', 'format', 'xml'] as const;
export type PlainScorer = (typeof plainScorers)[number];

const weight = z.number().min(0).max(100).describe('Weight in the sum.');
const share = (byDefault: number) => z.number().min(0).max(1).default(byDefault);
const tokens = z.int().min(0).max(1_048_576);

const pageMode = z
  .enum(['share', 'any', 'all'])
  .default('share')
  .describe('`share`: gold pages reached / gold pages; `any`: 1 when one was; `all`: 1 when each was.');

/**
 * Scorers with settings. Each has a strict schema of its settings, a line for people, and the kind of
 * gold that it reads. The functions are the reward service's.
 */
export const settableScorers = {
  substring: {
    about: 'A gold answer occurs in the prediction after normalisation.',
    gold: 'text',
    settings: z.strictObject({
      weight,
      whole_words: z.boolean().default(true).describe('Match at word boundaries: "no" is not in "none".'),
      max_words: z.int().min(0).max(10_000).default(20).describe('Longer predictions score 0; 0 is not a bound.'),
    }),
  },
  hotpotqa_f1: {
    about: "Token F1 with HotpotQA's rule: yes, no and noanswer are right or wrong as a whole.",
    gold: 'text',
    settings: z.strictObject({ weight }),
  },
  f1_floor: {
    about: "ReCall's reward: hotpotqa_f1, or the floor where that is 0; 0 unless every turn is well-formed.",
    gold: 'text',
    settings: z.strictObject({
      weight,
      floor: share(0.1).describe('Given for a well-formed episode with a wrong answer.'),
    }),
  },
  answer_structure: {
    about: "Search-R1 v0.3's table of exact match and well-formedness.",
    gold: 'text',
    settings: z.strictObject({
      weight,
      valid_match: share(1).describe('Every turn well-formed, right answer.'),
      invalid_match: share(0.8).describe('Right answer after a turn that was not.'),
      valid_miss: share(0.2).describe('Every turn well-formed, wrong answer.'),
      invalid_miss: share(0.1).describe('Wrong answer after a turn that was not.'),
    }),
  },
  rl_factory: {
    about: "RL-Factory's rule for search, moved and scaled to 0..1.",
    gold: 'text',
    settings: z.strictObject({
      weight,
      format_score: share(0.1).describe('Size of its format terms.'),
      free_calls: z.int().min(0).max(1000).default(2).describe('Calls beyond these cost format_score.'),
    }),
  },
  numeric: {
    about: 'The prediction is the gold number, within a tolerance, in any unit of the same kind.',
    gold: 'number',
    settings: z.strictObject({
      weight,
      absolute_tolerance: z
        .number()
        .min(0)
        .max(1e300)
        .default(0)
        .describe("Allowed difference, in the gold's base unit."),
      relative_tolerance: share(0).describe('Allowed difference as a share of the gold number.'),
      unit: z
        .enum(['optional', 'required', 'ignored'])
        .default('optional')
        .describe('`optional`: a missing unit is taken for the same; `required`: both or neither; `ignored`: dropped.'),
    }),
  },
  choice: {
    about: 'The prediction names the gold option by letter or by text.',
    gold: 'choice',
    settings: z.strictObject({
      weight,
      options: z.int().min(2).max(26).default(10).describe('Letters from A that are options.'),
    }),
  },
  date: {
    about: 'The prediction is the gold date.',
    gold: 'date',
    settings: z.strictObject({
      weight,
      precision: z
        .enum(['gold', 'day', 'month', 'year'])
        .default('gold')
        .describe('What has to agree; `gold`: all that the gold date says.'),
      day_first: z
        .boolean()
        .optional()
        .describe('How 05/03/1990 is read; without it such dates are refused unless only one reading exists.'),
    }),
  },
  iou: {
    about: 'Intersection over union of the predicted and the gold interval (temporal grounding).',
    gold: 'interval',
    settings: z.strictObject({ weight, threshold: share(0).describe('Values below it become 0.') }),
  },
  set_f1: {
    about: 'F1 between the predicted and the gold set of names; every gold answer is one element.',
    gold: 'set',
    settings: z.strictObject({
      weight,
      separator: z.string().min(1).max(8).default(',').describe('Splits the prediction, as line breaks do.'),
    }),
  },
  gold_fetched: {
    about: 'Pages that hold the facts and were fetched.',
    gold: 'supports',
    settings: z.strictObject({ weight, mode: pageMode }),
  },
  gold_found: {
    about: 'Pages that hold the facts and came in results or were fetched.',
    gold: 'supports',
    settings: z.strictObject({ weight, mode: pageMode }),
  },
  retry: {
    about:
      "ReZero's reward for searching again: .35, .5, .65, .8, .95 for 1 to 5 searches and more; 0 without an answer.",
    gold: 'none',
    settings: z.strictObject({
      weight,
      base: share(0.2).describe('Before the first search counts.'),
      step: share(0.15).describe('For each search.'),
      most: z.int().min(1).max(1000).default(5).describe('Searches that count.'),
    }),
  },
  brevity: {
    about: 'Short answers: 1 up to free_words, falling to 0 at max_words; 0 without an answer.',
    gold: 'none',
    settings: z
      .strictObject({
        weight,
        free_words: z.int().min(1).max(100_000).default(10).describe('Words that cost nothing.'),
        max_words: z.int().min(2).max(1_000_000).default(50).describe('Words at which nothing is left.'),
      })
      .refine(({ free_words: free, max_words: max }) => free < max, 'free_words must be less than max_words'),
  },
  length_budget: {
    about: "1 while the policy's own tokens are within the budget, falling to 0 over the slack on either side.",
    gold: 'none',
    settings: z
      .strictObject({
        weight,
        min_tokens: tokens.default(0).describe('Expand: fewer tokens cost.'),
        max_tokens: tokens.min(1).default(4096).describe('Compress: more tokens cost.'),
        slack_tokens: tokens.min(1).default(1024).describe('Tokens outside over which it falls to 0.'),
      })
      .refine(({ min_tokens: min, max_tokens: max }) => min <= max, 'min_tokens must be at most max_tokens'),
  },
} as const satisfies Record<string, { about: string; gold: GoldKind; settings: z.ZodType }>;

export type SettableScorer = keyof typeof settableScorers;
export type SettingsOf<Name extends SettableScorer> = z.output<(typeof settableScorers)[Name]['settings']>;

export const settableScorerNames = Object.keys(settableScorers).filter(
  (name): name is SettableScorer => name in settableScorers,
);

export const scorerNames: readonly string[] = [...plainScorers, ...settableScorerNames];

export function isPlainScorer(name: string): name is PlainScorer {
  return plainScorers.some((plain) => plain === name);
}

export function isSettableScorer(name: string): name is SettableScorer {
  return Object.hasOwn(settableScorers, name);
}

/** The kind of gold that a scorer reads. */
export function goldKindOf(name: string): GoldKind {
  if (isSettableScorer(name)) return settableScorers[name].gold;
  return name === 'exact_match' || name === 'f1' ? 'text' : 'none';
}
