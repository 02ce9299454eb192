import { z } from 'zod';
import { TerminalError } from '#shared/errors.ts';
import { codecNames } from './codec.ts';

export const searchOptionsSchema = z.strictObject({
  name: z.literal('search').optional(),
  promptTemplate: z
    .string()
    .min(1)
    .max(16_384)
    .refine((text) => text.includes('{question}'), 'must contain {question}')
    .default('{question}')
    .describe('First prompt of an episode; {question} is replaced.'),
  topK: z.int().min(1).max(100).default(10).describe('Hits of one search.'),
  previewCharacters: z
    .int()
    .min(20)
    .max(10_000)
    .default(150)
    .describe('Most characters of a hit; the service may give fewer.'),
  maxDocumentCharacters: z
    .int()
    .min(100)
    .max(10_000_000)
    .default(20_000)
    .describe('Most characters of a document; a cut is marked in the text.'),
  codec: z.enum(codecNames).default('xml').describe('How calls, results and answers are written.'),
  maxViolations: z
    .int()
    .min(0)
    .max(100)
    .default(2)
    .describe('Malformed turns that get a notice; one more ends the episode.'),
});
export type SearchOptions = z.infer<typeof searchOptionsSchema>;

/** Accepts the keys of a recipe (snake_case) and of the code (camelCase). */
export function parseSearchOptions(options: unknown): SearchOptions {
  const parsed = searchOptionsSchema.safeParse(camelKeys(options ?? {}));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TerminalError(
    'invalid_argument',
    `environment search: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
  );
}

function camelKeys(options: unknown): unknown {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return options;
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
}
