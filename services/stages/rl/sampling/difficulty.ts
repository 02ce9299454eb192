import { z } from 'zod';
import { rateFields } from './fields.ts';
import type { PromptSampling, SampledRow, Weighing } from './prompt-sampling.ts';

const difficultySchema = z
  .strictObject({
    kind: z.literal('difficulty'),
    band: z
      .tuple([z.number().min(0).max(1), z.number().min(0).max(1)])
      .default([0.1, 0.9])
      .describe('Least and greatest moving rate of the rows that are asked. '),
    falloff: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe('Standard deviation of the Gaussian by which weights fall outside the band; 0 is a hard edge.'),
    outside: z
      .number()
      .min(0)
      .max(1)
      .default(0.05)
      .describe(
        'Least weight of a row outside the band, against 1 within: it is asked now and then, since it may have moved. With 0 it is never asked again.',
      ),
    first_rate: z
      .string()
      .min(1)
      .max(64)
      .default('pass_rate')
      .describe(
        'Tag with the rate of a row that the stage has not asked yet, as `eval` leaves it; without one the row counts as within the band.',
      ),
    flatten: z
      .boolean()
      .default(false)
      .describe(
        'Divide weights by the number of rows in the same twentieth of 0..1, so that rare rates are asked as often as common ones.',
      ),
    ...rateFields,
  })
  .describe(
    'Rows by the moving rate of each: neither those that the policy always solves nor those that it never does.',
  );

type Difficulty = z.output<typeof difficultySchema>;

const bins = 20;
const histogramBins = 10;

/** Weight of a row: 1 in the band, falling outside. A band of one value with a falloff is the sampler of TimeLens (arXiv 2512.14698). */
export function bandWeight({ band: [low, high], falloff, outside }: Difficulty, rate: number): number {
  const distance = Math.max(low - rate, rate - high, 0);
  if (distance === 0) return 1;
  return Math.max(outside, falloff === 0 ? 0 : Math.exp(-0.5 * (distance / falloff) ** 2));
}

export const difficulty: PromptSampling<typeof difficultySchema> = {
  kind: 'difficulty',
  schema: difficultySchema,
  keyOf: (_settings, row) => row.id,
  weigh(settings, rows, rates): Weighing {
    const rateOf = rows.map((row) => rates.get(row.id) ?? firstRate(settings, row));
    const [low, high] = settings.band;
    const known = rateOf.filter((rate) => rate !== undefined);
    const counts = {
      'prompts/in_band': known.filter((rate) => rate >= low && rate <= high).length,
      'prompts/too_hard': known.filter((rate) => rate < low).length,
      'prompts/too_easy': known.filter((rate) => rate > high).length,
      'prompts/no_rate': rows.length - known.length,
    };
    const weights = rateOf.map((rate) => (rate === undefined ? 1 : bandWeight(settings, rate)));
    const flat = settings.flatten ? flattened(weights, rateOf) : weights;
    const isEmpty = counts['prompts/in_band'] + counts['prompts/no_rate'] === 0;
    // Nothing left to draw is no reason to end a run: all are asked, and that is said.
    const drawn = flat.some((weight) => weight > 0) ? flat : rows.map(() => 1);
    const metrics = {
      'prompts/rows': rows.length,
      ...counts,
      'prompts/band_empty': isEmpty ? 1 : 0,
      ...histogram(known),
    };
    return { weights: drawn, metrics };
  },
  remembers: ['prompts/band_empty'],
  warnings({ band: [low, high] }, steps) {
    const empty = steps.flatMap((metrics, index) => ((metrics['prompts/band_empty'] ?? 0) > 0 ? [index + 1] : []));
    if (empty.length === 0) return [];
    const newest = steps.at(-1) ?? {};
    return [
      `prompts: in ${empty.length} of ${steps.length} steps, first in step ${empty[0]} of the stage, no row had a rate within band [${low}, ${high}], ` +
        `so rows outside were asked; at last ${newest['prompts/too_hard'] ?? 0} were below it and ${newest['prompts/too_easy'] ?? 0} above: ` +
        'widen the band, bring rows of other difficulty, or end the stage earlier',
    ];
  },
  problems: () => [],
  check: ({ band }) =>
    band[0] > band[1]
      ? [{ path: ['band'], message: 'must be [least, greatest]: the first is greater than the second', value: band }]
      : [],
};

function firstRate({ first_rate: tag }: Difficulty, { tags }: SampledRow): number | undefined {
  const given = tags[tag];
  const rate = given === undefined || given.trim() === '' ? NaN : Number(given);
  return rate >= 0 && rate <= 1 ? rate : undefined;
}

/** Divided by how many rows share their bin, as TimeLens does (`fixed_gaussian_sampling`); rows without a rate share one of their own. */
function flattened(weights: readonly number[], rates: readonly (number | undefined)[]): number[] {
  const binOf = (rate: number | undefined) => (rate === undefined ? bins : Math.min(bins - 1, Math.floor(rate * bins)));
  const counts = new Float64Array(bins + 1);
  for (const rate of rates) counts[binOf(rate)] = (counts[binOf(rate)] ?? 0) + 1;
  return weights.map((weight, index) => weight / ((counts[binOf(rates[index])] ?? 0) + 1e-6));
}

/** Rows by tenths of their rate: `prompts/rate/0.1` are those from 0.1 to below 0.2, and the last one has 1 too. */
function histogram(rates: readonly number[]): Record<string, number> {
  const counts: number[] = Array.from({ length: histogramBins }, () => 0);
  for (const rate of rates) {
    const bin = Math.min(histogramBins - 1, Math.floor(rate * histogramBins));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return Object.fromEntries(counts.map((count, bin) => [`prompts/rate/${(bin / histogramBins).toFixed(1)}`, count]));
}
