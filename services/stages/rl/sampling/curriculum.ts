import { z } from 'zod';
import { rateFields } from './fields.ts';
import { tagNames, type PromptSampling, type SampledRow } from './prompt-sampling.ts';
import type { Rates } from './rates.ts';

const curriculumSchema = z
  .strictObject({
    kind: z.literal('curriculum'),
    tag: z.string().min(1).max(64).describe('Tag of the rows that says how far they are, for example `level`.'),
    order: z
      .array(z.union([z.string().max(64), z.int().min(-1_000_000_000).max(1_000_000_000)]))
      .min(1)
      .max(100)
      .optional()
      .describe(
        'Values of the tag, the first to learn first; by default those of the rows, ascending. Rows with other values are not asked.',
      ),
    advance_at: z
      .number()
      .gt(0)
      .max(1)
      .default(0.6)
      .describe(
        'Moving rate at which a value counts as learnt. The first one below is what the stage works on; it goes back when one falls.',
      ),
    rehearsal: z
      .number()
      .min(0)
      .max(1)
      .default(0.2)
      .describe('Share of the draws for all values before that one together.'),
    ahead: z.number().min(0).max(1).default(0.1).describe('Share of the draws for the value after it.'),
    ...rateFields,
  })
  .describe(
    'Rows by a tag: from one value of it to the next as the policy learns, with some of those before and after.',
  );

type Curriculum = z.output<typeof curriculumSchema>;

export const curriculum: PromptSampling<typeof curriculumSchema> = {
  kind: 'curriculum',
  schema: curriculumSchema,
  keyOf: ({ tag }, { tags }) => tags[tag] ?? '',
  weigh(settings, rows, rates) {
    const { tag } = settings;
    const order = orderOf(settings, rows);
    const shares = sharesOf(settings, order, rates);
    const counts = countsBy(tag, rows);
    const weights = rows.map(({ tags }) => {
      const value = tags[tag] ?? '';
      return (shares.get(value) ?? 0) / (counts.get(value) ?? 1);
    });
    const metrics = {
      'prompts/rows': rows.length,
      'prompts/left_out': rows.filter(({ tags }) => !shares.has(tags[tag] ?? '')).length,
      ...Object.fromEntries([...shares].map(([value, share]) => [`prompts/weight/${tag}=${value}`, share])),
      ...Object.fromEntries(
        order.flatMap((value) => {
          const rate = rates.get(value);
          return rate === undefined ? [] : [[`prompts/rate/${tag}=${value}`, rate]];
        }),
      ),
    };
    return { weights, metrics };
  },
  outcome({ tag }, groups) {
    const asked = countsBy(
      tag,
      groups.map(({ row }) => row),
    );
    const kept = countsBy(
      tag,
      groups.flatMap(({ row, isKept }) => (isKept ? [row] : [])),
    );
    return Object.fromEntries(
      [...asked].flatMap(([value, count]) => [
        [`prompts/asked/${tag}=${value}`, count],
        [`prompts/kept/${tag}=${value}`, kept.get(value) ?? 0],
      ]),
    );
  },
  warnings({ tag, advance_at: advanceAt }, steps) {
    const newest = steps.at(-1) ?? {};
    const prefix = `prompts/weight/${tag}=`;
    const order = Object.keys(newest).flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []));
    const rate = (value: string) => newest[`prompts/rate/${tag}=${value}`];
    const never = order.filter((value) => (newest[prefix + value] ?? 0) === 0 && rate(value) === undefined);
    const leftOut = newest['prompts/left_out'] ?? 0;
    const reached = order.flatMap((value) => {
      const known = rate(value);
      return known === undefined ? [] : [`${value} ${known.toFixed(2)}`];
    });
    return [
      ...(never.length > 0
        ? [
            `prompts: rows with ${tag} ${never.join(', ')} were never asked: rates are ${reached.join(', ')}, and a value is learnt at ` +
              `advance_at (${advanceAt}); lower it, raise ahead, or give the stage more steps`,
          ]
        : []),
      ...(leftOut > 0
        ? [
            `prompts: ${leftOut} of ${newest['prompts/rows'] ?? 0} rows were never asked, since order leaves out their ${tag}; add it, or leave them out by where`,
          ]
        : []),
    ];
  },
  problems(settings, rows) {
    const { tag, order = [] } = settings;
    const counts = countsBy(tag, rows);
    const found = [...counts.keys()].filter((value) => value !== '').toSorted(byValue);
    if (found.length === 0) return [`tag: none of its ${rows.length} rows has a tag ${tag}; ${tagNames(rows)}`];
    const absent = order.map(String).filter((value) => !counts.has(value));
    return absent.length === 0
      ? []
      : [`order: no row has ${tag} ${absent.join(', ')}; they have ${found.join(', ')}: leave out what is not there`];
  },
  check({ order = [], rehearsal, ahead }) {
    const values = order.map(String);
    const twice = values.filter((value, index) => values.indexOf(value) !== index);
    return [
      ...(twice.length > 0
        ? [{ path: ['order'], message: `names ${[...new Set(twice)].join(', ')} more than once`, value: order }]
        : []),
      ...(rehearsal + ahead >= 1
        ? [
            {
              path: ['rehearsal'],
              message: `must be less than 1 together with ahead (${ahead}): the rest is the share of what is learnt at the moment`,
              value: rehearsal,
            },
          ]
        : []),
    ];
  },
};

function orderOf({ tag, order }: Curriculum, rows: readonly SampledRow[]): string[] {
  if (order !== undefined) return order.map(String);
  return [...countsBy(tag, rows).keys()].filter((value) => value !== '').toSorted(byValue);
}

/**
 * Share of the draws by value. The frontier is the first value whose rate is below `advance_at` or unknown, else the last one; values before
 * it share `rehearsal` evenly, the one after it has `ahead`, and what nobody takes is the frontier's.
 */
export function sharesOf(
  { advance_at: advanceAt, rehearsal, ahead }: Pick<Curriculum, 'advance_at' | 'rehearsal' | 'ahead'>,
  order: readonly string[],
  rates: Rates,
): Map<string, number> {
  const below = order.findIndex((value) => (rates.get(value) ?? -1) < advanceAt);
  const frontier = below === -1 ? order.length - 1 : below;
  const before = frontier === 0 ? 0 : rehearsal;
  const after = frontier === order.length - 1 ? 0 : ahead;
  return new Map(
    order.map((value, index) => {
      if (index < frontier) return [value, before / frontier];
      if (index === frontier) return [value, 1 - before - after];
      return [value, index === frontier + 1 ? after : 0];
    }),
  );
}

function countsBy(tag: string, rows: readonly SampledRow[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { tags } of rows) counts.set(tags[tag] ?? '', (counts.get(tags[tag] ?? '') ?? 0) + 1);
  return counts;
}

/** Numbers as numbers, the rest as text. */
function byValue(a: string, b: string): number {
  const [left, right] = [Number(a), Number(b)];
  if (Number.isFinite(left) && Number.isFinite(right)) return left - right;
  return a < b ? -1 : 1;
}
