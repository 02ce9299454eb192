import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { searchOptions } from '../options.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { queryNames } from './plan.ts';
import type { ThoughtName } from './thoughts.ts';

const weight = z.number().min(0).max(1e6);
const share = z.number().min(0).max(1);

/** How a sloppy demonstrator's turn can go wrong. */
export const faultNames = [
  'unknown_tool',
  'broken_json',
  'missing_close',
  'two_calls',
  'wrong_hit',
  'repeated_search',
] as const;
export type Fault = (typeof faultNames)[number];

/** How demonstrators come to their answer. */
export const kindNames = ['full', 'early', 'guess', 'sloppy'] as const;
export type Kind = (typeof kindNames)[number];

const mixtureFields = z.strictObject({
  environment: searchOptions.prefault({}).describe('Options of the search environment, as in a recipe.'),
  kinds: z
    .strictObject({ full: weight, early: weight, guess: weight, sloppy: weight })
    .describe('Weights of the kinds of demonstrators.'),
  queries: z.enum(queryNames).default('title').describe('Where the words of a search come from.'),
  skip_scrape: share.describe('Share that does not open a page whose preview already says what they need.'),
  fault_rate: share.describe('Chance that a turn of a faulty demonstrator goes wrong.'),
  faulty: z.array(z.enum(kindNames)).default(['sloppy']).describe('Kinds whose turns go wrong at that rate.'),
  faults: z
    .strictObject({
      unknown_tool: weight,
      broken_json: weight,
      missing_close: weight,
      two_calls: weight,
      wrong_hit: weight,
      repeated_search: weight,
    })
    .describe('Weights of the faults.'),
  unknown_tools: z.array(z.string().min(1)).min(1).describe('Names of tools that do not exist.'),
  thoughts: z
    .strictObject({
      kinds: z
        .strictObject({ none: weight, short: weight, long: weight } satisfies Record<ThoughtName, unknown>)
        .describe('Weights of how much an episode thinks in front of each turn.'),
      filter_rate: share.describe('Chance that a long thought in front of a search adds filters to its query.'),
    })
    .optional()
    .describe('By default nobody thinks, and nothing stands in front of a turn.'),
});

export const mixtureSchema = mixtureFields.refine(
  ({ thoughts, environment }) => thoughts === undefined || environment.think !== 'violation',
  { path: ['thoughts'], message: 'environment.think is violation; set it to allowed' },
);
export type Mixture = z.infer<typeof mixtureSchema>;

export async function readMixture(path: string): Promise<Mixture> {
  let value: unknown;
  try {
    value = parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new TerminalError('invalid_argument', `${path}: ${errorFrom(cause).message}`, { cause });
  }
  const parsed = mixtureSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TerminalError(
    'invalid_argument',
    `${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
  );
}
