import type { MessageInitShape } from '@bufbuild/protobuf';
import type { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';

export type CompositionInit = MessageInitShape<typeof CompositionSchema>;

export interface Weighted {
  readonly name: string;
  readonly weight: number;
}

/** A step of the composition and what it read, for explanations. NaN stands for what is absent. */
export type CompositionStep =
  | { readonly kind: 'sum'; readonly terms: readonly (Weighted & { readonly value: number })[]; readonly after: number }
  | { readonly kind: 'normalize'; readonly before: number; readonly weights: number; readonly after: number }
  | {
      readonly kind: 'penalty';
      readonly name: string;
      readonly size: number;
      readonly value: number;
      readonly before: number;
      readonly after: number;
    }
  | {
      readonly kind: 'gate';
      readonly name: string;
      readonly value: number;
      readonly atLeast: number;
      readonly atMost: number;
      readonly outcome: 'holds' | 'does not hold' | 'absent';
      readonly before: number;
      readonly after: number;
    }
  | {
      readonly kind: 'clip';
      readonly low: number;
      readonly high: number;
      readonly before: number;
      readonly after: number;
    };

/**
 * The reward: weighted sum, normalised, less penalties, gated, clipped. `valueOf` gives the components and detectors, undefined
 * or NaN for one that is absent. The total is NaN when something absent is read, unless a gate that could be read has decided
 * it (P2): what a gate sets does not depend on the sum. Weight 0 is not read. Pure. `onStep` hears of each step.
 */
export function composeTotal(
  weighted: readonly Weighted[],
  composition: CompositionInit | undefined,
  valueOf: (name: string) => number | undefined,
  onStep?: (step: CompositionStep) => void,
): number {
  const read = (name: string): number => valueOf(name) ?? NaN;
  let total = 0;
  for (const { name, weight } of weighted) if (weight > 0) total += weight * read(name);
  onStep?.({
    kind: 'sum',
    terms: weighted.map(({ name, weight }) => ({ name, weight, value: read(name) })),
    after: total,
  });
  if (composition === undefined) return total;
  if (composition.normalize === true) {
    const before = total;
    let weights = 0;
    // Added up as the sum is, so that rounding cannot lift a sum of components within 0..1 above 1.
    for (const { weight } of weighted) weights += weight;
    total /= weights;
    onStep?.({ kind: 'normalize', before, weights, after: total });
  }
  for (const { name = '', size = 0 } of composition.penalties ?? []) {
    const before = total;
    const value = read(name);
    total -= size * value;
    onStep?.({ kind: 'penalty', name, size, value, before, after: total });
  }
  for (const { name = '', atLeast = -Infinity, atMost = Infinity, otherwise = 0 } of composition.gates ?? []) {
    const before = total;
    const value = read(name);
    const outcome = Number.isNaN(value) ? 'absent' : value >= atLeast && value <= atMost ? 'holds' : 'does not hold';
    if (outcome === 'absent') total = NaN;
    if (outcome === 'does not hold') total = otherwise;
    onStep?.({ kind: 'gate', name, value, atLeast, atMost, outcome, before, after: total });
    if (outcome !== 'holds') break;
  }
  const { clipLow: low = -Infinity, clipHigh: high = Infinity } = composition;
  if (low > -Infinity || high < Infinity) {
    const before = total;
    // Math.min and Math.max keep NaN.
    total = Math.min(high, Math.max(low, total));
    onStep?.({ kind: 'clip', low, high, before, after: total });
  }
  // Never -0.
  return total + 0;
}
