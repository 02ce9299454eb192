import { expect, test } from 'vitest';
import { createRolloutShares, rolloutShare } from './rollout-shares.ts';

const limits = { mostOpen: 120, mostShare: 1, groupSize: 4 };

test('a run that is alone has all rollouts of the fleet, and of several each has its part by priority', () => {
  expect(rolloutShare(1, [], limits)).toBe(120);
  expect(rolloutShare(1, [1, 1], limits)).toBe(40);
  expect(rolloutShare(4, [1, 1], limits)).toBe(80);
  expect(rolloutShare(1, [4, 1], limits)).toBe(20);
});

test('no run starves: one group is always let in, whatever the others weigh', () => {
  expect(
    rolloutShare(
      1,
      Array.from({ length: 63 }, () => 10),
      limits,
    ),
  ).toBe(4);
});

test('a fleet may keep a part free of any one run, also of one that is alone', () => {
  expect(rolloutShare(10, [], { ...limits, mostShare: 0.5 })).toBe(60);
  expect(rolloutShare(10, [10], { ...limits, mostShare: 0.75 })).toBe(60);
});

test('the run itself is no other one, and runs that have ended weigh nothing any more', () => {
  const shares = createRolloutShares();
  const run = { runId: 'a', priority: 3 };
  shares.observe(
    new Map([
      ['a', 1],
      ['b', 1],
    ]),
  );
  expect(shares.of(run, limits)).toBe(90);
  shares.observe(new Map([['a', 3]]));
  expect(shares.of(run, limits)).toBe(120);
});
