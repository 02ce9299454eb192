import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { packRow } from '../kit/written-row.ts';

/** A prompt with two answers, texts as they stand. */
export interface PreferenceRow {
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
}

const text = (value: unknown): string | undefined => {
  if (typeof value === 'string') return value.trim() === '' ? 'is empty; write the text' : undefined;
  if (value === undefined) return 'is missing; a row has prompt, chosen and rejected';
  if (Array.isArray(value))
    return 'is a list; write messages as one text, in the form of the chat template of the model';
  return `is no text but ${value === null ? 'null' : `a ${typeof value}`}; write it in quotes`;
};
const longest = 4 * 1024 * 1024;
const rowSchema = z.object({ prompt: z.string(), chosen: z.string(), rejected: z.string() });

/** Throws TerminalError that names `place` (file and line) and every column that is wrong; other columns are not read. */
export function parsePreferenceRow(line: string, place: string): PreferenceRow {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new TerminalError('invalid_argument', `${place}: is not JSON; a row is one object on one line`, { cause });
  }
  const columns: Readonly<Record<string, unknown>> = { ...Object(value) };
  const problems = Object.keys(rowSchema.shape).flatMap((column) => {
    const given = columns[column];
    const problem = text(given);
    if (problem !== undefined) return [`${column} ${problem}`];
    const { length } = String(given);
    return length > longest ? [`${column} has ${length} characters; at most ${longest} are read`] : [];
  });
  if (problems.length === 0 && columns['chosen'] === columns['rejected'])
    problems.push('chosen and rejected are the same text; remove the row, nothing can be learnt from it');
  const parsed = rowSchema.safeParse(value);
  if (parsed.success && problems.length === 0) return parsed.data;
  throw new TerminalError('invalid_argument', `${place}: ${problems.join(', ')}`);
}

/** As the learner takes them: both answers after the same prompt, each ending its turn. */
export function packPair({ prompt, chosen, rejected }: PreferenceRow, id: string) {
  const answer = (written: string, which: string) =>
    packRow(
      {
        segments: [
          { kind: 'prompt', text: prompt, end: false },
          { kind: 'model', text: written, end: true },
        ],
      },
      `${id}/${which}`,
    );
  return { chosen: answer(chosen, 'chosen'), rejected: answer(rejected, 'rejected') };
}
