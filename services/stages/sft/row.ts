import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { z } from 'zod';
import { FinishReason, SegmentKind, TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError } from '#platform/errors.ts';

/** A row of a file: text by who writes it. What the model writes is learnt. */
export interface SftRow {
  readonly segments: readonly {
    readonly kind: 'prompt' | 'model' | 'environment';
    readonly text: string;
    /** The model ends its turn here: the end-of-sequence token is learnt, too. */
    readonly end: boolean;
  }[];
}

const text = z.string().max(4 * 1024 * 1024);
const rowSchema = z.union(
  [
    z
      .object({ prompt: text.min(1), response: text, end: z.boolean().default(true) })
      .transform(({ prompt, response, end }): SftRow => ({
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
      .transform(({ segments }): SftRow => ({ segments })),
    z.object({ text: text.min(1) }).transform(({ text: whole }): SftRow => ({
      segments: [{ kind: 'model', text: whole, end: false }],
    })),
  ],
  'has none of: prompt and response, segments, text',
);

/** Throws TerminalError that names `place` (file and line) and the column. */
export function parseSftRow(line: string, place: string): SftRow {
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

const kinds = {
  prompt: SegmentKind.PROMPT,
  model: SegmentKind.MODEL,
  environment: SegmentKind.ENVIRONMENT,
} as const;

/** As the learner takes it: text without tokens, which it tokenises itself. */
export function packRow(row: SftRow, id: string): Uint8Array {
  const trajectory = create(TrajectorySchema, {
    taskId: id,
    segments: row.segments.map(({ kind, text: written, end }) => ({
      kind: kinds[kind],
      text: written,
      ...(end && { finishReason: FinishReason.STOP }),
    })),
  });
  return gzipSync(toBinary(TrajectorySchema, trajectory), { level: 1 });
}
