import { parseQuantity, type ParsedQuantity } from './quantity.ts';

export interface NumericOptions {
  /** In the gold's base unit. */
  readonly absoluteTolerance: number;
  /** Share of the gold number. */
  readonly relativeTolerance: number;
  readonly unit: 'optional' | 'required' | 'ignored';
}

/** What converting units costs in floating point; two ways to write one number never differ by more. */
const rounding = 1e-9;

/**
 * 1 when the prediction is a gold number: |p - g| <= max(absolute, relative x |g|), both in the base unit of the gold's unit.
 * What is no single number scores 0, on either side.
 */
export function numericMatch(prediction: string, answers: readonly string[], options: NumericOptions): 0 | 1 {
  const predicted = parseQuantity(prediction);
  return answers.some((answer) => matches(predicted, parseQuantity(answer), options)) ? 1 : 0;
}

function matches(predicted: ParsedQuantity, gold: ParsedQuantity, options: NumericOptions): boolean {
  if (predicted.kind === 'refused' || gold.kind === 'refused') return false;
  let [left, right] = [predicted.value, gold.value];
  if (options.unit !== 'ignored') {
    const unit = gold.unit ?? (options.unit === 'optional' ? predicted.unit : undefined);
    const other = predicted.unit ?? (options.unit === 'optional' ? gold.unit : undefined);
    if (unit?.kind !== other?.kind) return false;
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
  return Math.abs(left - right) <= allowed;
}
