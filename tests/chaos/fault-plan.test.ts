import { expect, test } from 'vitest';
import { actions, isAlone, needsResume, supervisor, targetsOf } from './fault-cards.ts';
import { faultsByClock, planFaults } from './fault-plan.ts';
import type { Fault } from './fault-plan.ts';

const services =
  'nats scripted-judge retrieval reward engine-1 engine-2 learner policy coordinator-1 coordinator-2 rollout-1 rollout-2'
    .split(' ')
    .map((label) => ({ label, service: label.replace(/-\d+$/, '') }));
const targets = targetsOf(services);
const none: ReadonlySet<never> = new Set();
const options = { seed: 7, count: 60, targets, only: undefined, without: none, steps: 20, longestFreezeMs: 40_000 };

test('the same seed gives the same faults, another seed others', () => {
  expect(planFaults(options)).toEqual(planFaults(options));
  expect(planFaults({ ...options, seed: 8 })).not.toEqual(planFaults(options));
});

test.each([1, 2, 3, 4, 5])(
  'with seed %i every process is killed twice and frozen, and every action is made',
  (seed) => {
    const faults = planFaults({ ...options, seed, count: 60 });
    for (const { label } of targets) {
      const own = faults.filter(({ targets: [first] }) => first?.label === label).map(({ action }) => action);
      expect(own.filter((action) => action === 'kill').length, label).toBeGreaterThanOrEqual(2);
      expect(own, label).toContain('freeze');
    }
    expect(new Set(faults.map(({ action }) => action))).toEqual(new Set(actions));
    expect(faults.some(({ targets: hit }) => hit.length === 2 && !hit.includes(supervisor))).toBe(true);
  },
);

test('faults are spread over the whole run and within its bounds', () => {
  const faults = planFaults(options);
  expect(faults).toHaveLength(60);
  const shares = faults.flatMap(({ moment }) => (moment.kind === 'answered' ? [moment.share] : []));
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBeLessThan(1);
  const steps = faults.flatMap(({ moment }) => (moment.kind === 'batch' ? [moment.step] : []));
  expect(steps.length).toBeGreaterThan(0);
  expect(steps.every((step) => step >= 1 && step <= 20)).toBe(true);
  for (const { action, durationMs } of faults) {
    if (action === 'kill') expect(durationMs).toBe(0);
    if (action === 'freeze') expect(durationMs).toBeGreaterThanOrEqual(200);
    expect(durationMs).toBeLessThanOrEqual(40_000);
  }
});

test('two at once are two services, and what needs a resume or the store to itself is alone', () => {
  for (const fault of planFaults({ ...options, count: 400 })) {
    const { targets: hit, together } = fault;
    expect(new Set(hit.map(({ service }) => service)).size).toBe(hit.length);
    if (isAlone(fault)) expect(together).toBe(false);
    if (hit.includes(supervisor) && fault.action !== 'freeze') expect(needsResume(fault)).toBe(true);
  }
});

test('aimed at one service, or without some actions, there are only those', () => {
  const aimed = planFaults({ ...options, only: 'nats' });
  expect(aimed).toHaveLength(60);
  expect(new Set(aimed.flatMap(({ targets: hit }) => hit.map(({ service }) => service)))).toEqual(new Set(['nats']));
  const hangs = planFaults({ ...options, without: new Set(actions.filter((action) => action !== 'hang')) });
  expect(new Set(hangs.map(({ action }) => action))).toEqual(new Set(['hang']));
});

test('without a process to hit there is no fault', () => {
  expect(planFaults({ ...options, only: 'nobody' })).toEqual([]);
});

test('a soak has faults without an end, at the pace that was asked for', () => {
  const faults: Fault[] = [];
  for (const fault of faultsByClock({ ...options, everyMs: 4_000 })) if (faults.push(fault) === 600) break;
  expect(faults.map(({ number }) => number)).toEqual(faults.map((_, index) => index + 1));
  const mean = faults.reduce((sum, { delayMs }) => sum + delayMs, 0) / faults.length;
  expect(mean).toBeGreaterThan(3_500);
  expect(mean).toBeLessThan(4_500);
  expect(new Set(faults.map(({ action }) => action))).toEqual(new Set(actions));
});
