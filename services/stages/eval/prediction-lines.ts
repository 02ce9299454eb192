import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import type { PlayedSample } from '../kit/stage-context.ts';
import type { ReportedRow } from './report.ts';

/** A line of predictions.jsonl per sample, absent ones included. */
export function* predictionLines(rows: readonly ReportedRow[]): Generator<string, void, undefined> {
  for (const { id, tags, samples } of rows)
    for (const [sample, played] of samples.entries()) {
      const {
        values,
        grades,
        unscored,
        environment,
        prediction = null,
        failure = null,
        absent = null,
        absentDetail,
        textOnly,
        rollout,
        truncated,
        turns,
        toolCalls,
        modelTokens,
      } = played;
      const { reward = null, ...components } = values;
      yield `${JSON.stringify({
        id,
        sample,
        prediction,
        components,
        reward,
        ...(Object.keys(grades).length > 0 && { grades }),
        ...(Object.keys(unscored).length > 0 && { unscored }),
        environment,
        failure,
        absent,
        ...(absentDetail !== '' && { absent_detail: absentDetail }),
        truncated,
        turns,
        tool_calls: toolCalls,
        model_tokens: textOnly ? null : modelTokens,
        // What an endpoint did not give, and no number stands in for.
        ...(textOnly && { not_given: ['token_ids', 'logprobs'] }),
        tags,
        rollout,
      })}\n`;
    }
}

const numbers = z.record(z.string(), z.number());

const line = z.object({
  id: z.string(),
  prediction: z.string().nullable(),
  components: numbers,
  reward: z.number().nullable(),
  grades: z.record(z.string(), z.string()).default({}),
  unscored: z.record(z.string(), z.object({ reason: z.string(), detail: z.string() })).default({}),
  environment: numbers,
  failure: z.string().nullable(),
  absent: z.string().nullable(),
  absent_detail: z.string().default(''),
  truncated: z.boolean(),
  turns: z.number(),
  tool_calls: z.number(),
  model_tokens: z.number().nullable(),
  tags: z.record(z.string(), z.string()),
  rollout: z.string(),
});

/** The inverse; lines of one id are samples of one row. Throws TerminalError('data_loss') that names the line. `path` is for people. */
export function parsePredictions(text: string, path: string): ReportedRow[] {
  const rows = new Map<
    string,
    { readonly id: string; readonly tags: Record<string, string>; samples: PlayedSample[] }
  >();
  for (const [at, written] of text.trimEnd().split('\n').entries()) {
    const { id, tags, sample } = parseLine(written, `${path}:${at + 1}`);
    const row = rows.get(id) ?? { id, tags, samples: [] };
    row.samples.push(sample);
    rows.set(id, row);
  }
  return [...rows.values()];
}

function parseLine(
  text: string,
  place: string,
): { readonly id: string; readonly tags: Record<string, string>; readonly sample: PlayedSample } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TerminalError('data_loss', `${place}: not JSON; it is no line of an evaluation`, { cause });
  }
  const parsed = line.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new TerminalError('data_loss', `${place}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'malformed'}`);
  }
  const { id, tags, components, reward, model_tokens: modelTokens, absent_detail: absentDetail, ...rest } = parsed.data;
  const { tool_calls: toolCalls, prediction, failure, absent, ...same } = rest;
  const sample = {
    ...same,
    values: { ...components, ...(reward !== null && { reward }) },
    prediction: prediction ?? undefined,
    failure: failure ?? undefined,
    absent: absent ?? undefined,
    absentDetail,
    toolCalls,
    modelTokens: modelTokens ?? 0,
    textOnly: modelTokens === null,
  };
  return { id, tags, sample };
}
