import { z } from 'zod';
import { curriculum } from './curriculum.ts';
import { difficulty } from './difficulty.ts';
import type { AskedRow, PromptSampling, RateSettings, SampledRow } from './prompt-sampling.ts';
import type { Rates } from './rates.ts';

const uniformSchema = z
  .strictObject({ kind: z.literal('uniform') })
  .describe('Every row equally often: shuffled epochs without replacement.');

export const promptSamplingSchema = z.discriminatedUnion('kind', [uniformSchema, difficulty.schema, curriculum.schema]);

/** What the samplings read of steps before the newest one. */
export const rememberedMetrics: readonly string[] = [difficulty, curriculum].flatMap(
  ({ remembers = [] }: Pick<PromptSampling, 'remembers'>) => remembers,
);

type Settings = z.output<typeof promptSamplingSchema>;

/** A sampling with its own settings bound. */
export type ChosenSampling = ReturnType<typeof bound>;

/** Undefined for `uniform`, which looks at nothing. */
export function samplingOf(settings: Settings): ChosenSampling | undefined {
  switch (settings.kind) {
    case 'uniform':
      return undefined;
    case 'difficulty':
      return bound(difficulty, settings);
    case 'curriculum':
      return bound(curriculum, settings);
  }
}

function bound<Schema extends typeof difficulty.schema | typeof curriculum.schema>(
  sampling: PromptSampling<Schema>,
  settings: z.output<Schema> & RateSettings,
) {
  return {
    kind: sampling.kind,
    metric: settings.metric,
    newestWeight: settings.newest_weight,
    keyOf: (row: SampledRow) => sampling.keyOf(settings, row),
    weigh: (rows: readonly SampledRow[], rates: Rates) => sampling.weigh(settings, rows, rates),
    outcome: (groups: readonly AskedRow[]) => sampling.outcome?.(settings, groups) ?? {},
    warnings: (steps: readonly Readonly<Record<string, number>>[]) => sampling.warnings(settings, steps),
    problems: (rows: readonly SampledRow[]) => sampling.problems(settings, rows),
    check: () => sampling.check(settings),
  };
}
