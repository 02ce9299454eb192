import type { MessageInitShape } from '@bufbuild/protobuf';
import type { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';

export type CompositionInit = MessageInitShape<typeof CompositionSchema>;

export interface Weighted {
  readonly name: string;
  readonly weight: number;
}

/** A step of the composition, for explanations: what it did, and the total after it. */
export interface CompositionStep {
  readonly name: string;
  readonly total: number;
}

/**
 * The reward: weighted sum, normalised, less penalties, gated, clipped. `valueOf` gives the components and detectors, undefined
 * for one that is absent; what reads an absent one is NaN, unless an earlier gate has decided (P2). Pure. `onStep` hears of each step.
 */
export function composeTotal(
  weighted: readonly Weighted[],
  composition: CompositionInit | undefined,
  valueOf: (name: string) => number | undefined,
  onStep?: (step: CompositionStep) => void,
): number {
  const step = (name: string, total: number): number => {
    onStep?.({ name, total });
    return total;
  };
  let total = 0;
  for (const { name, weight } of weighted) if (weight > 0) total += weight * (valueOf(name) ?? NaN);
  total = step('sum', total);
  if (composition === undefined) return total;
  if (composition.normalize === true) {
    total = step('normalize', total / weighted.reduce((sum, { weight }) => sum + weight, 0));
  }
  for (const { name = '', size = 0 } of composition.penalties ?? []) {
    total = step(`penalty ${name}`, total - size * (valueOf(name) ?? NaN));
  }
  for (const { name = '', atLeast = -Infinity, atMost = Infinity, otherwise = 0 } of composition.gates ?? []) {
    const value = valueOf(name);
    if (value === undefined) return step(`gate ${name}`, NaN);
    if (value >= atLeast && value <= atMost) continue;
    total = step(`gate ${name}`, otherwise);
    break;
  }
  const { clipLow = -Infinity, clipHigh = Infinity } = composition;
  if (clipLow === -Infinity && clipHigh === Infinity) return total;
  // Math.min and Math.max keep NaN.
  return step('clip', Math.min(clipHigh, Math.max(clipLow, total)));
}
