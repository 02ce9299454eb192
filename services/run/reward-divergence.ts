import { scorerNames } from '#rewards/scorer-catalogue.ts';
import type { Evaluation, StageState, StepSummary } from './ledger/run-state.ts';
import { detectorNames, type DetectorName } from '#rewards/detector-names.ts';

/** 1 in a line of metrics.jsonl while something diverges, else 0. */
export const divergenceMetric = 'detector/reward_diverges';

/** The training reward rose, and what should have risen with it fell: the policy may have found a way around the task. */
export interface Divergence {
  /** A name of metrics.jsonl: `sampled.exact_match` of evaluations, or `reward/NAME` of a component that the recipe declares. */
  readonly metric: string;
  readonly value: Change;
  readonly reward: Change;
  /** Where both were compared, for people: `before` and `step-20`, or steps. */
  readonly between: readonly [string, string];
}

interface Change {
  readonly from: number;
  readonly to: number;
}

/**
 * Standard errors that a change has to exceed. A fall is looked for between the newest value and each earlier one, so its bound is higher
 * than a single comparison would need; the curves of reward-divergence.test.ts say how often noise passes.
 */
const riseErrors = 2;
const heldOutErrors = 3;
const componentErrors = 4;
/** Of the 95 % interval that evaluations carry. */
const intervalErrors = 1.959964;
/** Steps whose rewards are averaged at most. */
const windowSteps = 8;
/** Fewer say nothing, least of all about their deviation. */
const leastGroups = 8;

/** What the newest evaluation and the newest steps of a stage say. Pure; empty while there is too little to compare. */
export function findDivergences(stage: Pick<StageState, 'steps' | 'evaluations'>): Divergence[] {
  return [...heldOutDivergences(stage), ...componentDivergences(stage.steps)];
}

/** Every metric that diverged at any time in a stage, as it was when it did last. */
export function allDivergences({ steps, evaluations }: Pick<StageState, 'steps' | 'evaluations'>): Divergence[] {
  const last = new Map<string, Divergence>();
  const remember = (found: readonly Divergence[]): void => {
    for (const divergence of found) last.set(divergence.metric, divergence);
  };
  for (let known = 1; known <= evaluations.length; known++) {
    remember(heldOutDivergences({ steps, evaluations: evaluations.slice(0, known) }));
  }
  for (let known = 1; known <= steps.length; known++) remember(componentDivergences(steps.slice(0, known)));
  return [...last.values()];
}

export function describeDivergence({ metric, value, reward, between }: Divergence): string {
  const change = ({ from, to }: Change): string => `${from.toFixed(3)} -> ${to.toFixed(3)}`;
  return `the reward rises while ${metric} falls: reward ${change(reward)}, ${metric} ${change(value)} (${between.join(' to ')})`;
}

/**
 * What evaluations have an interval of, the environment's primary metric, of the newest evaluation against every earlier one of the
 * stage, which asked the same questions: a fall counts when the difference's interval (Newcombe's, from the intervals of both)
 * excludes 0, and the rewards of the first and the last steps between the two differ the other way.
 */
function heldOutDivergences({ steps, evaluations }: Pick<StageState, 'steps' | 'evaluations'>): Divergence[] {
  const newest = evaluations.at(-1);
  if (newest === undefined) return [];
  const mode = newest.metrics['sampled.n'] === undefined ? 'greedy' : 'sampled';
  return Object.keys(newest.metrics).flatMap((key) => {
    const [, name] = lowEnd.exec(key) ?? [];
    return name !== undefined && key.startsWith(`${mode}.`)
      ? heldOutDivergence(`${mode}.${name}`, { steps, evaluations })
      : [];
  });
}

/** Of all samples of a mode, not of those with a tag. */
const lowEnd = /^(?:sampled|greedy)\.([^.]+)\.low$/;

function heldOutDivergence(
  metric: string,
  { steps, evaluations }: Pick<StageState, 'steps' | 'evaluations'>,
): Divergence[] {
  const newest = evaluations.at(-1);
  const to = newest && measured(newest, metric);
  if (newest === undefined || to === undefined) return [];
  const found = evaluations.slice(0, -1).flatMap((earlier): Divergence[] => {
    const from = measured(earlier, metric);
    const between = steps.slice(earlier.stageStep, newest.stageStep);
    const window = Math.min(windowSteps, Math.floor(between.length / 2));
    if (from === undefined || window === 0) return [];
    const error = Math.hypot(from.value - from.low, to.high - to.value) / intervalErrors;
    if (from.value - to.value <= heldOutErrors * error) return [];
    const reward = riseBetween(between.slice(0, window), between.slice(-window));
    if (reward === undefined) return [];
    const value = { from: from.value, to: to.value };
    return [{ metric, value, reward, between: [earlier.name, newest.name] }];
  });
  return deepest(found);
}

/** Components that the recipe declares (judged or its own code) over the newest steps, against the windows before. */
function componentDivergences(steps: readonly StepSummary[]): Divergence[] {
  const window = Math.min(windowSteps, Math.floor(steps.length / 2));
  const newest = steps.at(-1);
  if (newest === undefined || window === 0) return [];
  const last = steps.slice(-window);
  return declaredComponents(newest).flatMap((metric) => {
    const to = meanOver(last, metric, `${metric}/std`);
    if (to === undefined) return [];
    const found: Divergence[] = [];
    for (let end = steps.length - window; end >= window; end -= window) {
      const before = steps.slice(end - window, end);
      const from = meanOver(before, metric, `${metric}/std`);
      if (from === undefined || from.mean - to.mean <= componentErrors * Math.hypot(from.error, to.error)) continue;
      const reward = riseBetween(before, last);
      if (reward === undefined) continue;
      found.push({
        metric,
        value: { from: from.mean, to: to.mean },
        reward,
        between: [rangeOf(before), rangeOf(last)],
      });
    }
    return deepest(found);
  });
}

function deepest(found: readonly Divergence[]): Divergence[] {
  const fall = ({ value }: Divergence): number => value.from - value.to;
  return found.length === 0 ? [] : [found.reduce((most, other) => (fall(other) > fall(most) ? other : most))];
}

function measured({ metrics }: Evaluation, metric: string) {
  const value = metrics[metric];
  const low = metrics[`${metric}.low`];
  const high = metrics[`${metric}.high`];
  const isMeasured = (metrics[`${metric.slice(0, metric.indexOf('.'))}.n`] ?? 0) > 0;
  return isMeasured && value !== undefined && low !== undefined && high !== undefined
    ? { value, low, high }
    : undefined;
}

function riseBetween(first: readonly StepSummary[], last: readonly StepSummary[]): Change | undefined {
  const from = meanOver(first, 'reward/mean', 'reward/std');
  const to = meanOver(last, 'reward/mean', 'reward/std');
  if (from === undefined || to === undefined) return undefined;
  const isRise = to.mean - from.mean > riseErrors * Math.hypot(from.error, to.error);
  return isRise ? { from: from.mean, to: to.mean } : undefined;
}

/**
 * Mean of a metric over steps and its standard error. The samples of a group share their question, so groups are what is
 * counted; the deviation is that of all samples, which is more than that of the groups' means. Undefined unless every step has both,
 * and when there are too few groups.
 */
function meanOver(steps: readonly StepSummary[], metric: string, deviation: string) {
  let sum = 0;
  let variance = 0;
  let all = 0;
  for (const { metrics } of steps) {
    const value = metrics[metric];
    const spread = metrics[deviation];
    if (value === undefined || spread === undefined) return undefined;
    const groups = Math.max(1, metrics['groups/opened'] ?? 1);
    sum += value;
    variance += spread ** 2 / groups;
    all += groups;
  }
  return all < leastGroups ? undefined : { mean: sum / steps.length, error: Math.sqrt(variance) / steps.length };
}

const component = /^reward\/([^/]+)$/;

function declaredComponents({ metrics }: StepSummary): string[] {
  return Object.keys(metrics).filter((metric) => {
    const name = component.exec(metric)?.[1];
    return name !== undefined && `${metric}/std` in metrics && !scorerNames.includes(name);
  });
}

function rangeOf(steps: readonly StepSummary[]): string {
  const [first, last] = [steps[0]?.step, steps.at(-1)?.step];
  return first === last ? `step ${first}` : `steps ${first}-${last}`;
}

/** Share of a stage's rollouts so far in which each detector fired, 0..1; those that never did are left out. */
export function detectorShares({ steps }: Pick<StageState, 'steps'>): Partial<Record<DetectorName, number>> {
  const shares: Partial<Record<DetectorName, number>> = {};
  const rollouts = steps.reduce((sum, { metrics }) => sum + (metrics['rollouts/completed'] ?? 0), 0);
  for (const name of detectorNames) {
    const fired = steps.reduce(
      (sum, { metrics }) => sum + (metrics[`detector/${name}`] ?? 0) * (metrics['rollouts/completed'] ?? 0),
      0,
    );
    if (fired > 0) shares[name] = fired / rollouts;
  }
  return shares;
}
