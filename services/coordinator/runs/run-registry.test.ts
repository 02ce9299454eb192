import { expect, test } from 'vitest';
import { listedRuns } from './run-registry.ts';

test('P9: lists 256 runs at most, those that are driven among them, and counts what it leaves out', () => {
  const known = Array.from({ length: 300 }, (_, index) => `run-${String(index).padStart(3, '0')}`);
  const { ids, leftOut } = listedRuns(['run-299', 'zoo'], known);
  expect(ids).toHaveLength(256);
  expect(ids).toEqual([...ids].sort());
  expect(ids).toEqual(expect.arrayContaining(['run-000', 'run-299', 'zoo']));
  expect(leftOut).toBe(301 - 256);
  expect(listedRuns(['a'], ['b', 'a'])).toEqual({ ids: ['a', 'b'], leftOut: 0 });
});
