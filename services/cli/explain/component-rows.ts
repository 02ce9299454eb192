import type { ExplainResponse, Explanation, Score } from '#proto/reward/v1/reward_pb.ts';
import type { Composition } from '#proto/rollout/v1/composition_pb.ts';

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

/**
 * In the order of the explanation; behind it what was recorded and is not explained, and what the composition reads of the group's
 * comparison.
 */
export function componentRows(
  score: Score,
  { components }: Pick<ExplainResponse, 'components'>,
  composition: Composition,
  groupwise: Readonly<Record<string, number>>,
): ComponentRow[] {
  const weights = new Map(composition.weights.map(({ name, weight }) => [name, weight]));
  const row = (explanation: Explained, recorded: number | undefined): ComponentRow => ({
    ...rowOf(explanation, recorded, score),
    weight: weights.get(explanation.name) ?? 0,
  });
  const known = new Set(components.map(({ name }) => name));
  const others = Object.keys(score.components).filter((name) => !known.has(name));
  return [
    ...components.map((explanation) => row(explanation, score.components[explanation.name])),
    ...others.map((name) => row({ name, reasons: [] }, score.components[name])),
    ...composition.groupwise.map((name) =>
      row({ name, reasons: ['from the comparison of its group'] }, groupwise[name]),
    ),
  ];
}

/** Detectors that fired, then or now. One that is not in a score gave 0. */
export function detectorRows(score: Score, { detectors }: Pick<ExplainResponse, 'detectors'>): ComponentRow[] {
  const known = new Set(detectors.map(({ name }) => name));
  const others = Object.keys(score.detectors).filter((name) => !known.has(name));
  return [
    ...detectors.map((explanation) => rowOf(explanation, score.detectors[explanation.name] ?? 0, score)),
    ...others.map((name) => rowOf({ name, reasons: [] }, score.detectors[name], score)),
  ].filter(({ recorded, recomputed }) => (recorded ?? 0) > 0 || (recomputed ?? 0) > 0);
}

type Explained = Pick<Explanation, 'name' | 'value' | 'reasons'>;

function rowOf(
  { name, value: recomputed, reasons }: Explained,
  recorded: number | undefined,
  { absent }: Score,
): ComponentRow {
  return {
    name,
    weight: 0,
    recorded,
    recomputed,
    absent: absent[name] ?? '',
    differs: recorded !== undefined && recomputed !== undefined && recorded !== recomputed,
    reasons,
  };
}
