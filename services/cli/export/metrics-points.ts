import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { runFileNames } from '#run/directory/places.ts';

/** One line of metrics.jsonl, as trackers take it. */
export interface MetricsPoint {
  /** Training steps of the run so far. */
  readonly step: number;
  /** Unix time in seconds. */
  readonly atSeconds: number;
  /** Those of an evaluation begin with `eval/`; the others have their names of metrics.jsonl. */
  readonly metrics: Readonly<Record<string, number>>;
}

const lineSchema = z.looseObject({ kind: z.enum(['step', 'eval']), at: z.iso.datetime(), step: z.int().min(0) });
/** Numbers that say where a line belongs, and measure nothing. */
const places = new Set(['step', 'version', 'stage_index', 'round', 'stage_step']);

/** The lines of a run's metrics.jsonl. A last line that is still being written is left out. */
export async function readMetricsPoints(home: string, run: string): Promise<readonly MetricsPoint[]> {
  const path = join(home, run, runFileNames.metrics);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new TerminalError('not_found', `run '${run}' has no ${path}; 'gradus status' lists the runs of a home`, {
      cause,
    });
  });
  const lines = text.split('\n').slice(0, -1);
  if (lines.length === 0)
    throw new TerminalError('not_found', `${path} has no line yet: run '${run}' has no step and no evaluation so far`);
  return lines.map((line, index) => pointOf(line, `${path}, line ${index + 1}`));
}

export function pointOf(line: string, where: string): MetricsPoint {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new TerminalError(
      'data_loss',
      `${where} is not JSON; 'gradus resume' writes the file again from the ledger`,
      { cause },
    );
  }
  const parsed = lineSchema.safeParse(value);
  if (!parsed.success)
    throw new TerminalError('data_loss', `${where} is no line of metrics: ${parsed.error.issues[0]?.message ?? ''}`);
  const { kind, at, step, ...rest } = parsed.data;
  const numbers = Object.entries(rest).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number' && !places.has(entry[0]),
  );
  const metrics = numbers.map(([name, number]) => [kind === 'eval' ? `eval/${name}` : name, number] as const);
  return { step, atSeconds: Date.parse(at) / 1000, metrics: Object.fromEntries(metrics) };
}
