import type { z } from 'zod';
import type { Rates } from './rates.ts';

/** Of a row, what a sampling may look at. */
export interface SampledRow {
  readonly id: string;
  readonly tags: Readonly<Record<string, string>>;
}

/** How rows are drawn in a step. */
export interface Weighing {
  /** One for each row, >= 0; 0 is never drawn. At least one is > 0. */
  readonly weights: readonly number[];
  /** What people want to know of it, for the step's line in metrics.jsonl. */
  readonly metrics: Readonly<Record<string, number>>;
}

export interface AskedRow {
  readonly row: SampledRow;
  /** Its rewards vary: there is something to learn. */
  readonly isKept: boolean;
}

export interface RateSettings {
  readonly metric?: string | undefined;
  readonly newest_weight: number;
}

/**
 * A way to choose a stage's prompts by how the policy has done on them. All of it is pure: the rates are facts of the ledger, so a run that
 * was killed asks the same rows (P8).
 */
export interface PromptSampling<Schema extends z.ZodObject = z.ZodObject> {
  readonly kind: string;
  readonly schema: Schema;
  /** What the success of a row is counted by. */
  keyOf(settings: z.output<Schema>, row: SampledRow): string;
  weigh(settings: z.output<Schema>, rows: readonly SampledRow[], rates: Rates): Weighing;
  /** What became of the groups of a step, for its line in metrics.jsonl. */
  outcome?(settings: z.output<Schema>, groups: readonly AskedRow[]): Readonly<Record<string, number>>;
  /** Metrics that `warnings` reads of steps before the newest one. */
  readonly remembers?: readonly string[];
  /** What people should know of a stage by the metrics of its steps (P9): all of them in the newest step, those of `remembers` in the others. */
  warnings(settings: z.output<Schema>, steps: readonly Readonly<Record<string, number>>[]): readonly string[];
  /** What the settings say that does not fit the rows; looked at before the run starts. */
  problems(settings: z.output<Schema>, rows: readonly SampledRow[]): readonly string[];
  /** Further rules between its fields. Paths begin at the settings. */
  check(
    settings: z.output<Schema>,
  ): readonly { readonly path: readonly string[]; readonly message: string; readonly value: unknown }[];
}

/** Beyond these, a message names no more. */
export const shownValues = 10;

/** The tags that there are, for people. */
export function tagNames(rows: readonly SampledRow[]): string {
  const names = [...new Set(rows.flatMap(({ tags }) => Object.keys(tags)))].toSorted();
  const more = names.length > shownValues ? ', …' : '';
  return names.length === 0 ? 'rows have no tags' : `rows have ${names.slice(0, shownValues).join(', ')}${more}`;
}

const prefix = 'prompts/';

/** Of a step's metrics those of its draws, by their names without `prompts/`. */
export function promptMetrics(metrics: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
    ),
  );
}
