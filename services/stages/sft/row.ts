import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import type { WrittenRow } from '../kit/written-row.ts';

const text = z.string().max(4 * 1024 * 1024);
const rowSchema = z.union(
  [
    z
      .object({ prompt: text.min(1), response: text, end: z.boolean().default(true) })
      .transform(({ prompt, response, end }): WrittenRow => ({
        segments: [
          { kind: 'prompt', text: prompt, end: false },
          { kind: 'model', text: response, end },
        ],
      })),
    z
      .object({
        segments: z
          .array(
            z.strictObject({ kind: z.enum(['prompt', 'model', 'environment']), text, end: z.boolean().default(false) }),
          )
          .min(1)
          .max(4096)
          .refine(
            (segments) => segments.some(({ kind }) => kind === 'model'),
            'have no segment of kind model to learn',
          ),
      })
      .transform(({ segments }): WrittenRow => ({ segments })),
    z.object({ text: text.min(1) }).transform(({ text: whole }): WrittenRow => ({
      segments: [{ kind: 'model', text: whole, end: false }],
    })),
  ],
  'has none of: prompt and response, segments, text',
);

/** Throws TerminalError that names `place` (file and line) and the column. */
export function parseSftRow(line: string, place: string): WrittenRow {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new TerminalError('invalid_argument', `${place}: is not JSON; a row is one object on one line`, { cause });
  }
  const parsed = rowSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new TerminalError('invalid_argument', `${place}: ${problemOf(value, parsed.error)}`);
}

/** Of the form that the row's columns say it has. */
function problemOf(value: unknown, error: z.ZodError): string {
  const has = (column: string) => typeof value === 'object' && value !== null && column in value;
  const meant = has('segments') ? 1 : has('text') ? 2 : has('prompt') || has('response') ? 0 : undefined;
  const [issue] = error.issues;
  const inner = issue?.code === 'invalid_union' && meant !== undefined ? issue.errors[meant]?.[0] : undefined;
  if (inner === undefined) return issue?.message ?? 'is not a row';
  return `${inner.path.join('.')}: ${inner.message.replace(/^Invalid input: /, '')}`;
}
