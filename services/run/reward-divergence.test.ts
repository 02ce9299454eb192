import { describe, expect, test } from 'vitest';
import { wilsonInterval } from '#stages/kit/estimate.ts';
import { createRandom } from '#platform/random.ts';
import type { Evaluation, StepSummary } from './ledger/run-state.ts';
import { allDivergences, describeDivergence, findDivergences } from './reward-divergence.ts';

const groups = 16;

function step(at: number, reward: number, more: Record<string, number> = {}): StepSummary {
  const metrics = { 'reward/mean': reward, 'reward/std': 0.4, 'groups/opened': groups, ...more };
  return { step: at, version: at, notFinite: [], metrics };
}

function evaluation(stageStep: number, correct: number, n = 200, mode = 'sampled'): Evaluation {
  const { low, high } = wilsonInterval(correct, n);
  return {
    stage: 's',
    name: stageStep === 0 ? 'before' : `step-${stageStep}`,
    version: stageStep,
    stageStep,
    metrics: {
      [`${mode}.exact_match`]: correct / n,
      [`${mode}.exact_match.low`]: low,
      [`${mode}.exact_match.high`]: high,
      [`${mode}.n`]: n,
    },
    weights: undefined,
  };
}

/** Rewards from .3 to .7 over 20 steps. */
const rising = Array.from({ length: 20 }, (_, at) => step(at + 1, 0.3 + 0.02 * at));
const flat = Array.from({ length: 20 }, (_, at) => step(at + 1, 0.3));

describe('the reward rises while held-out exact match falls', () => {
  test('is found, with both numbers and where they were measured', () => {
    const stage = { steps: rising, evaluations: [evaluation(0, 100), evaluation(20, 60)] };
    const [found, ...others] = findDivergences(stage);
    expect(others).toEqual([]);
    expect(found).toMatchObject({
      metric: 'sampled.exact_match',
      value: { from: 0.5, to: 0.3 },
      between: ['before', 'step-20'],
    });
    expect(found && describeDivergence(found)).toBe(
      'the reward rises while sampled.exact_match falls: reward 0.370 -> 0.610, sampled.exact_match 0.500 -> 0.300 (before to step-20)',
    );
  });

  test.each([
    ['exact match rises', rising, [evaluation(0, 100), evaluation(20, 140)]],
    ['exact match falls within noise', rising, [evaluation(0, 100), evaluation(20, 80)]],
    ['few questions fall as far', rising, [evaluation(0, 10, 20), evaluation(20, 6, 20)]],
    ['the reward is flat', flat, [evaluation(0, 100), evaluation(20, 40)]],
    ['the reward falls with it', rising.toReversed(), [evaluation(0, 100), evaluation(20, 40)]],
    ['there is one evaluation', rising, [evaluation(20, 0)]],
    ['there is a single step between', rising.slice(0, 1), [evaluation(0, 100), evaluation(1, 20)]],
    ['nothing came back', rising, [evaluation(0, 100), evaluation(20, 0, 0)]],
    ['the modes differ', rising, [evaluation(0, 100), evaluation(20, 40, 200, 'greedy')]],
    [
      'groups are too few',
      rising.map((of) => ({ ...of, metrics: { ...of.metrics, 'groups/opened': 0.5 } })),
      [evaluation(0, 100), evaluation(20, 40)],
    ],
  ])('is not found when %s', (_, steps, evaluations) => {
    expect(findDivergences({ steps, evaluations })).toEqual([]);
  });

  test('is found when the fall is slow, and the evaluation before is not long before', () => {
    const correct = [100, 110, 112, 105, 98, 90, 82, 74];
    const evaluations = correct.map((count, at) => evaluation(at * 4, count));
    const steps = Array.from({ length: 28 }, (_, at) => step(at + 1, 0.3 + 0.012 * at));
    expect(findDivergences({ steps, evaluations })).toMatchObject([
      { value: { from: 0.56, to: 0.37 }, between: ['step-8', 'step-28'] },
    ]);
    expect(findDivergences({ steps: steps.slice(0, 8), evaluations: evaluations.slice(0, 3) })).toEqual([]);
  });

  test('is over when exact match recovers, and remembered', () => {
    const steps = [...rising, ...rising.map((of) => ({ ...of, step: of.step + 20 }))];
    const evaluations = [evaluation(0, 100), evaluation(20, 60), evaluation(40, 98)];
    expect(findDivergences({ steps, evaluations })).toEqual([]);
    expect(allDivergences({ steps, evaluations })).toMatchObject([
      { metric: 'sampled.exact_match', value: { to: 0.3 } },
    ]);
  });

  test('takes greedy decoding where nothing was sampled', () => {
    const evaluations = [evaluation(0, 100, 200, 'greedy'), evaluation(20, 60, 200, 'greedy')];
    expect(findDivergences({ steps: rising, evaluations })).toMatchObject([{ metric: 'greedy.exact_match' }]);
  });
});

describe('the reward rises while a declared component falls', () => {
  const judged = (from: number, by: number, name = 'prose') =>
    rising.map((of, at) => ({
      ...of,
      metrics: { ...of.metrics, [`reward/${name}`]: from + by * at, [`reward/${name}/std`]: 0.2 },
    }));

  test('is found from the steps alone', () => {
    const [found] = findDivergences({ steps: judged(0.8, -0.03), evaluations: [] });
    expect(found).toMatchObject({ metric: 'reward/prose', between: ['steps 5-12', 'steps 13-20'] });
    expect(found?.value.from).toBeCloseTo(0.575, 9);
    expect(found?.value.to).toBeCloseTo(0.335, 9);
  });

  test.each([
    ['it rises', judged(0.3, 0.02)],
    ['it falls within noise', judged(0.8, -0.005)],
    ['it is a built-in scorer, which the reward adds up', judged(0.8, -0.03, 'format')],
    [
      'a step has none of it, since the judge was unavailable',
      judged(0.8, -0.03).map((of, at) => (at === 6 || at === 15 ? step(at, 0.5) : of)),
    ],
  ])('is not found when %s', (_, steps) => {
    expect(findDivergences({ steps, evaluations: [] })).toEqual([]);
  });
});

/** A stage of noise: groups of 8 about one question each, rewards of questions spread widely, and evaluations on the same questions. */
function noisyStage(seed: number, slope: number, evaluations: number, stepsBetween: number) {
  const random = createRandom(seed);
  const uniform = () => random(2 ** 32) / 2 ** 32;
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const n = 200;
  // Hard questions, easy ones, and some between: .4 are answered.
  const chances = Array.from({ length: n }, () => (uniform() < 0.4 ? 1 - 0.6 * uniform() : 0.4 * uniform()));
  const correct = () => chances.reduce((sum, chance) => sum + (uniform() < chance ? 1 : 0), 0);
  const steps: StepSummary[] = [];
  const measured: Evaluation[] = [evaluation(0, correct(), n)];
  for (let at = 1; at < evaluations; at += 1) {
    for (let of = 0; of < stepsBetween; of += 1) {
      const number = steps.length + 1;
      const noise = (0.35 * normal()) / Math.sqrt(groups) + (0.2 * normal()) / Math.sqrt(groups * 8);
      const rated = 0.6 + (0.15 * normal()) / Math.sqrt(groups);
      steps.push(step(number, 0.4 + slope * number + noise, { 'reward/prose': rated, 'reward/prose/std': 0.15 }));
    }
    measured.push(evaluation(steps.length, correct(), n));
  }
  return { steps, evaluations: measured };
}

const share = (stages: number, of: (seed: number) => Parameters<typeof allDivergences>[0]): number =>
  Array.from({ length: stages }, (_, seed) => allDivergences(of(seed)).length).filter((found) => found > 0).length /
  stages;

describe('noise', () => {
  test('of 3000 stages in which nothing changes, at most one in a thousand is said to diverge at any time', () => {
    expect(share(3000, (seed) => noisyStage(seed, 0, 8, 10))).toBeLessThanOrEqual(0.001);
  });

  test('nor, of 2000 whose reward rises while the held-out and judged metrics stay, more than one in a hundred', () => {
    expect(share(2000, (seed) => noisyStage(seed, 0.004, 8, 10))).toBeLessThanOrEqual(0.01);
  });
});
