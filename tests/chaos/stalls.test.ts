import { expect, test } from 'vitest';
import type { FaultRecord } from './recovery-table.ts';
import { findStalls, longestOutside, stallFindings } from './stalls.ts';

const fault = (number: number, atMs: number, over: Partial<FaultRecord> = {}): FaultRecord => ({
  number,
  label: `engine-${number}`,
  service: 'engine',
  action: 'kill',
  atMs,
  fromMs: atMs,
  phase: 'rollouts',
  recoveredMs: 2_000,
  notes: [],
  ...over,
});

test('P10: a time without progress beyond the bound is a finding that names the faults of that time', () => {
  const faults = [fault(1, 500), fault(2, 10_000, { recoveredMs: 40_000 }), fault(3, 90_000)];
  const stalls = findStalls([0, 900, 9_900, 45_900, 46_000, 80_000], faults);
  expect(stalls.map(({ stallMs }) => stallMs)).toEqual([36_000, 34_000, 9_000]);
  expect(stallFindings(stalls, faults, 35_000)).toEqual([
    'stall: no progress for 36.0 s from 00:00:09 on; faults: 2 (kill, engine-2)',
  ]);
  expect(stallFindings(stalls, faults, 36_000)).toEqual([]);
});

test('a stall lies in every fault that was not healed, and without one follows the last fault before it', () => {
  const faults = [fault(1, 1_000), fault(2, 2_000), fault(3, 3_500, { recoveredMs: undefined })];
  const of = (from: number, to: number, known = faults) => findStalls([from, to], known)[0]?.faults;
  expect(of(2_500, 4_500)).toEqual([1, 2, 3]);
  expect(of(20_000, 30_000)).toEqual([3]);
  expect(of(20_000, 30_000, faults.slice(0, 2))).toEqual([2]);
  expect(of(0, 1_900, [])).toEqual([]);
});

test('what a resume waited for is not counted, but what came before it and after it is, each for itself', () => {
  expect(longestOutside([0, 50], [[10, 30]])).toBe(20);
  expect(
    longestOutside(
      [0, 50],
      [
        [5, 20],
        [15, 44],
      ],
    ),
  ).toBe(6);
  expect(longestOutside([0, 50], [[60, 70]])).toBe(50);
  expect(longestOutside([0, 50], [[0, 50]])).toBe(0);
  const [stall] = findStalls([0, 50_000], [fault(1, 5_000)], [[6_000, 30_000]]);
  expect(stall).toMatchObject({ fromMs: 0, toMs: 50_000, stallMs: 20_000, faults: [1] });
});

test('times come in any order, and what is shorter than a second is no stall', () => {
  expect(findStalls([3_000, 1_000, 1_900, 2_500], [])).toEqual([]);
});
