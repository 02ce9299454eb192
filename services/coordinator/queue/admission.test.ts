import { expect, test } from 'vitest';
import { placeOf, type FleetLoad } from './admission.ts';

const waits = (runId: string, priority = 1, changesPolicy = false) => ({ runId, priority, changesPolicy, since: 1 });
const goesOn = (runId: string, changesPolicy = false) => [runId, { priority: 1, changesPolicy }] as const;
const load = (
  running: readonly (readonly [string, { priority: number; changesPolicy: boolean }])[],
  waiting: FleetLoad['waiting'] = [],
): FleetLoad => ({
  fleetId: 'f',
  maxRuns: 2,
  running: new Map(running),
  waiting,
});

test('a run begins while the fleet has a place, and else waits for the runs that are named', () => {
  expect(placeOf(waits('a'), load([]))).toBeUndefined();
  expect(placeOf(waits('a'), load([goesOn('x')]))).toBeUndefined();
  expect(placeOf(waits('a'), load([goesOn('x'), goesOn('y')]))).toEqual({
    position: 1,
    reason: 'fleet f has 2 of at most 2 runs (x, y)',
  });
});

test('a run that changes the policy is alone on its fleet, whoever came first', () => {
  const why = ': a fleet has one learner, and its engines have one set of weights';
  expect(placeOf(waits('a', 1, true), load([]))).toBeUndefined();
  expect(placeOf(waits('a', 1, true), load([goesOn('x')]))).toEqual({
    position: 1,
    reason: `run a changes the policy and goes on alone, after x${why}`,
  });
  expect(placeOf(waits('a'), load([goesOn('x', true)]))).toEqual({
    position: 1,
    reason: `run x changes the policy and goes on alone${why}`,
  });
});

test('who waits with the same or a higher priority goes first, also where the newcomer would fit', () => {
  const waiting = [waits('urgent', 5), waits('alone', 2, true), waits('late', 2)];
  const present = load([goesOn('x')], waiting);
  expect(placeOf(waits('new', 2), present)).toEqual({ position: 4, reason: 'behind run late in the queue' });
  expect(placeOf(waits('new', 3), present)).toEqual({ position: 2, reason: 'behind run urgent in the queue' });
  expect(placeOf(waits('new', 6), present)).toBeUndefined();
  expect(placeOf(waiting[0] ?? waits(''), present)).toBeUndefined();
  expect(placeOf(waiting[1] ?? waits(''), present)).toEqual({ position: 2, reason: 'behind run urgent in the queue' });
});

test('the run itself is no other one, whatever the indexes say of it', () => {
  expect(placeOf(waits('a', 1, true), load([goesOn('a', true)], [waits('a', 1, true)]))).toBeUndefined();
});
