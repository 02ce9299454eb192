import { parseQuantity, type ParsedQuantity } from './quantity.ts';

export interface NumericOptions {
  /** In the gold's base unit. */
  readonly absoluteTolerance: number;
  /** Share of the gold number. */
  readonly relativeTolerance: number;
  readonly unit: 'optional' | 'required' | 'ignored';
}

type ReadQuantity = Extract<ParsedQuantity, { kind: 'quantity' }>;

/** What converting units costs in floating point; two ways to write one number never differ by more. */
const rounding = 1e-9;

/**
 * 1 when the prediction is a gold number: |p - g| <= max(absolute, relative x |g|), both in the base unit of the gold's unit.
 * What is not a single number scores 0, on either side.
 */
export function numericMatch(prediction: string, answers: readonly string[], options: NumericOptions): 0 | 1 {
  const predicted = parseQuantity(prediction);
  return answers.some((answer) => {
    const comparison = compareNumbers(predicted, parseQuantity(answer), options);
    return comparison.kind === 'compared' && comparison.equal;
  })
    ? 1
    : 0;
}

export type NumberComparison =
  | { readonly kind: 'refused'; readonly side: 'prediction' | 'gold'; readonly reason: string }
  /** Kinds of units that differ; undefined for none. */
  | { readonly kind: 'units'; readonly predicted: string | undefined; readonly gold: string | undefined }
  | {
      readonly kind: 'compared';
      /** In the gold's base unit, if any. */
      readonly predicted: number;
      readonly gold: number;
      readonly allowed: number;
      readonly equal: boolean;
    };

export function compareNumbers(
  predicted: ParsedQuantity,
  gold: ParsedQuantity,
  options: NumericOptions,
): NumberComparison {
  if (predicted.kind === 'refused') return { kind: 'refused', side: 'prediction', reason: predicted.reason };
  if (gold.kind === 'refused') return { kind: 'refused', side: 'gold', reason: gold.reason };
  const [ours, theirs] = [readingNextTo(predicted, gold), readingNextTo(gold, predicted)];
  let [left, right] = [ours.value, theirs.value];
  if (options.unit !== 'ignored') {
    const unit = theirs.unit ?? (options.unit === 'optional' ? ours.unit : undefined);
    const other = ours.unit ?? (options.unit === 'optional' ? theirs.unit : undefined);
    if (unit?.kind !== other?.kind) return { kind: 'units', predicted: other?.kind, gold: unit?.kind };
    if (unit !== undefined && other !== undefined) {
      left = left * other.factor + other.offset;
      right = right * unit.factor + unit.offset;
    }
  }
  const allowed = Math.max(
    options.absoluteTolerance,
    options.relativeTolerance * Math.abs(right),
    rounding * Math.abs(right),
  );
  return { kind: 'compared', predicted: left, gold: right, allowed, equal: Math.abs(left - right) <= allowed };
}

function readingNextTo(one: ReadQuantity, other: ReadQuantity): Pick<ReadQuantity, 'value' | 'unit'> {
  const { otherwise } = one;
  return otherwise !== undefined && otherwise.unit.kind === other.unit?.kind ? otherwise : one;
}
