import { create } from '@bufbuild/protobuf';
import { type Composition, CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { isDetector } from './detector-names.ts';

/** What a composition reads of a rollout, as its result has it. */
export interface ScoredValues {
  /** 0..1 by name; what is not here is absent. */
  readonly components: Readonly<Record<string, number>>;
  /** Those that fired. */
  readonly detectors: Readonly<Record<string, number>>;
  /** Tokens that the policy wrote; only the overlong penalty reads them. */
  readonly modelTokens: number;
}

/** A step of the composition and what it read, for explanations. Undefined stands for what is absent. */
export type CompositionStep = { readonly after: number | undefined } & (
  | {
      readonly kind: 'sum';
      readonly terms: readonly { readonly name: string; readonly weight: number; readonly value: number | undefined }[];
    }
  | ({ readonly before: number | undefined } & (
      | { readonly kind: 'normalize'; readonly weights: number }
      | { readonly kind: 'penalty'; readonly name: string; readonly size: number; readonly value: number | undefined }
      | {
          readonly kind: 'gate';
          readonly name: string;
          readonly value: number | undefined;
          readonly atLeast: number | undefined;
          readonly atMost: number | undefined;
          readonly outcome: 'holds' | 'does not hold' | 'absent';
        }
      | { readonly kind: 'clip'; readonly low: number | undefined; readonly high: number | undefined }
      | {
          readonly kind: 'overlong';
          readonly modelTokens: number;
          readonly maxTokens: number;
          readonly bufferTokens: number;
          readonly penalty: number;
        }
    ))
);

/**
 * The reward of a rollout: weighted sum, normalised, less penalties, gated, clipped, less the overlong penalty. The only place where
 * one is made. Undefined when something absent is read, unless a gate that could be read has decided it (P2): what a gate sets does
 * not depend on the sum. Pure. `onStep` gets each step.
 */
export function compose(
  composition: Composition,
  values: ScoredValues,
  onStep?: (step: CompositionStep) => void,
): number | undefined {
  const { weights, normalize, penalties, gates, clipLow, clipHigh, overlong } = composition;
  const read = (name: string): number | undefined => readValue(values, name);
  let total: number | undefined = 0;
  for (const { name, weight } of weights) total = both(total, read(name), (sum, value) => sum + weight * value);
  onStep?.({
    kind: 'sum',
    terms: weights.map(({ name, weight }) => ({ name, weight, value: read(name) })),
    after: total,
  });
  if (normalize) {
    const before = total;
    // Added up as the sum is, so that rounding cannot lift a sum of components within 0..1 above 1.
    const sum = weights.reduce((added, { weight }) => added + weight, 0);
    total = total === undefined ? undefined : total / sum;
    onStep?.({ kind: 'normalize', before, weights: sum, after: total });
  }
  for (const { name, size } of penalties) {
    const before = total;
    const value = read(name);
    total = both(total, value, (rest, lost) => rest - size * lost);
    onStep?.({ kind: 'penalty', name, size, value, before, after: total });
  }
  for (const { name, atLeast, atMost, otherwise } of gates) {
    const before = total;
    const value = read(name);
    const outcome = value === undefined ? 'absent' : holds(value, atLeast, atMost) ? 'holds' : 'does not hold';
    if (outcome === 'absent') total = undefined;
    if (outcome === 'does not hold') total = otherwise;
    onStep?.({ kind: 'gate', name, value, atLeast, atMost, outcome, before, after: total });
    if (outcome !== 'holds') break;
  }
  if (clipLow !== undefined || clipHigh !== undefined) {
    const before = total;
    total = total === undefined ? undefined : Math.min(clipHigh ?? Infinity, Math.max(clipLow ?? -Infinity, total));
    onStep?.({ kind: 'clip', low: clipLow, high: clipHigh, before, after: total });
  }
  if (overlong !== undefined) {
    const before = total;
    const { maxTokens, bufferTokens } = overlong;
    const penalty = overlongPenalty(values.modelTokens, overlong);
    total = total === undefined ? undefined : total + penalty;
    onStep?.({
      kind: 'overlong',
      modelTokens: values.modelTokens,
      maxTokens,
      bufferTokens,
      penalty,
      before,
      after: total,
    });
  }
  // Never -0.
  return total === undefined ? undefined : total + 0;
}

/** Undefined for a component that is absent; a detector that did not fire is 0. A scorer may be named as what every object has. */
export function readValue({ components, detectors }: Omit<ScoredValues, 'modelTokens'>, name: string) {
  const value = own(components, name) ?? own(detectors, name) ?? (isDetector(name) ? 0 : undefined);
  return Number.isFinite(value) ? value : undefined;
}

/** What the composition of a stage is for a rollout without its group: in evaluations, and before its group is compared. */
export function withoutGroupwise(composition: Composition): Composition {
  const groupwise = new Set(composition.groupwise);
  const isOwn = ({ name }: { readonly name: string }): boolean => !groupwise.has(name);
  const weights = composition.weights.filter(isOwn);
  return create(CompositionSchema, {
    ...composition,
    weights,
    // There is nothing to divide by where groupwise components have all the weight.
    normalize: composition.normalize && weights.length > 0,
    penalties: composition.penalties.filter(isOwn),
    gates: composition.gates.filter(isOwn),
    groupwise: [],
  });
}

/** Whether the reward is the weighted sum alone, so that the mean reward follows from the means of the components. */
export function isWeightedSum({ normalize, penalties, gates, clipLow, clipHigh, overlong }: Composition): boolean {
  const bounded = clipLow !== undefined || clipHigh !== undefined;
  return !normalize && penalties.length === 0 && gates.length === 0 && !bounded && overlong === undefined;
}

export function holds(value: number, atLeast: number | undefined, atMost: number | undefined): boolean {
  return value >= (atLeast ?? -Infinity) && value <= (atMost ?? Infinity);
}

function both(a: number | undefined, b: number | undefined, of: (a: number, b: number) => number): number | undefined {
  return a === undefined || b === undefined ? undefined : of(a, b);
}

function own(values: Readonly<Record<string, number>>, name: string): number | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}

export interface OverlongShaping {
  /** Tokens of the policy at which the penalty is full. */
  readonly maxTokens: number;
  /** Tokens before `maxTokens` over which the penalty grows. */
  readonly bufferTokens: number;
  /** Full penalty, >= 0. */
  readonly factor: number;
}

/**
 * Soft overlong penalty of DAPO (arXiv 2503.14476, equation 13), bounded by -factor; it is added to the reward.
 * `modelTokens` counts the policy's own tokens, never the environment's.
 */
export function overlongPenalty(modelTokens: number, shaping: OverlongShaping): number {
  const free = shaping.maxTokens - shaping.bufferTokens;
  if (modelTokens <= free) return 0;
  return -shaping.factor * Math.min(1, (modelTokens - free) / shaping.bufferTokens);
}
