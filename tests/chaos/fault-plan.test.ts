import { expect, test } from 'vitest';
import { planFaults } from './fault-plan.ts';

const targets = ['rollout-1', 'rollout-2', 'coordinator', 'learner', 'engine-1', 'policy', 'retrieval', 'nats'].map(
  (label) => ({ label, service: label.replace(/-\d+$/, '') }),
);
const options = { seed: 7, count: 60, targets, steps: 20, longestFreezeMs: 40_000 };

test('the same seed gives the same faults, another seed others', () => {
  expect(planFaults(options)).toEqual(planFaults(options));
  expect(planFaults({ ...options, seed: 8 })).not.toEqual(planFaults(options));
});

test.each([1, 2, 3, 4, 5])('with seed %i every process is killed and frozen', (seed) => {
  const faults = planFaults({ ...options, seed, count: 3 * targets.length });
  for (const { label } of targets) {
    const own = faults.filter(({ target }) => target.label === label).map(({ action }) => action);
    expect(own.toSorted(), label).toEqual(['freeze', 'kill', 'kill']);
  }
});

test('faults are spread over the whole run and within its bounds', () => {
  const faults = planFaults(options);
  expect(faults).toHaveLength(60);
  const shares = faults.flatMap(({ moment }) => (moment.kind === 'answered' ? [moment.share] : []));
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBeLessThan(1);
  const steps = faults.flatMap(({ moment }) => (moment.kind === 'batch' ? [moment.step] : []));
  expect(steps.length).toBeGreaterThan(0);
  expect(steps.every((step) => step >= 1 && step <= 20)).toBe(true);
  for (const { action, freezeMs } of faults) {
    if (action === 'kill') expect(freezeMs).toBe(0);
    else expect(freezeMs).toBeGreaterThanOrEqual(200);
    expect(freezeMs).toBeLessThanOrEqual(40_000);
  }
});

test('without a process to hit there is no fault', () => {
  expect(planFaults({ ...options, targets: [] })).toEqual([]);
});
