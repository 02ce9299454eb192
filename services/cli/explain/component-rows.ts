import type { ExplainResponse, Explanation, Score, ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { composeTotal, type CompositionStep } from '#shared/rewards/compose.ts';
import { valueReader } from '#shared/rewards/value-reader.ts';

/** A component or detector as it was scored, and as scoring it again would have it. */
export interface ComponentRow {
  readonly name: string;
  readonly weight: number;
  /** What the rollout got; undefined for what is absent. */
  readonly recorded: number | undefined;
  /** Undefined for what would have to be asked again: judges and custom scorers. */
  readonly recomputed: number | undefined;
  /** Why a component is absent; empty for one that is there. */
  readonly absent: string;
  /** The two numbers are there and not the same: another version of the scorer gave the reward. */
  readonly differs: boolean;
  readonly reasons: readonly string[];
}

/** In the order of the explanation; what was recorded and is not explained stands behind it. */
export function componentRows(score: Score, { components }: Pick<ExplainResponse, 'components'>): ComponentRow[] {
  const known = new Set(components.map(({ name }) => name));
  const others = Object.keys(score.components).filter((name) => !known.has(name));
  return [
    ...components.map((explanation) => rowOf(explanation, score.components[explanation.name], score)),
    ...others.map((name) => rowOf({ name, weight: 0, reasons: [] }, score.components[name], score)),
  ];
}

/** Detectors that fired, then or now. One that is not in a score gave 0. */
export function detectorRows(score: Score, { detectors }: Pick<ExplainResponse, 'detectors'>): ComponentRow[] {
  const known = new Set(detectors.map(({ name }) => name));
  const others = Object.keys(score.detectors).filter((name) => !known.has(name));
  return [
    ...detectors.map((explanation) => rowOf(explanation, score.detectors[explanation.name] ?? 0, score)),
    ...others.map((name) => rowOf({ name, weight: 0, reasons: [] }, score.detectors[name], score)),
  ].filter(({ recorded, recomputed }) => (recorded ?? 0) > 0 || (recomputed ?? 0) > 0);
}

function rowOf(
  { name, weight, value: recomputed, reasons }: Pick<Explanation, 'name' | 'weight' | 'value' | 'reasons'>,
  recorded: number | undefined,
  { absent }: Score,
): ComponentRow {
  return {
    name,
    weight,
    recorded,
    recomputed,
    absent: absent[name] ?? '',
    differs: recorded !== undefined && recomputed !== undefined && recorded !== recomputed,
    reasons,
  };
}

/** The composition over what was recorded, judged and custom components included. NaN where one that it reads is absent. */
export function recordedSteps(
  { rewards, judged, composition }: ScoreItem,
  score: Score,
): { readonly total: number; readonly steps: readonly CompositionStep[] } {
  const steps: CompositionStep[] = [];
  const total = composeTotal([...rewards, ...judged], composition, valueReader(score), (step) => steps.push(step));
  return { total, steps };
}
