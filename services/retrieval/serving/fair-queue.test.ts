import { expect, test } from 'vitest';
import { createFairQueue } from './fair-queue.ts';

const all = (): boolean => true;

test('a caller with one item does not wait for all of a caller with many', () => {
  const queue = createFairQueue<string>();
  queue.push(['a1', 'a2', 'a3', 'a4']);
  queue.push(['b1']);
  queue.push(['c1', 'c2']);
  expect(queue.size).toBe(7);
  expect(queue.take(3, all)).toEqual(['a1', 'b1', 'c1']);
  expect(queue.take(10, all)).toEqual(['a2', 'c2', 'a3', 'a4']);
  expect(queue.size).toBe(0);
  expect(queue.take(1, all)).toEqual([]);
});

test('what is not wanted any more is left out, and does not count against what is asked for', () => {
  const queue = createFairQueue<number>();
  queue.push([1, 2, 3, 4, 5]);
  expect(queue.take(2, (item) => item % 2 === 0)).toEqual([2, 4]);
  expect(queue.size).toBe(1);
});

test('a sweep forgets what is not wanted and keeps turns', () => {
  const queue = createFairQueue<number>();
  queue.push([1, 2, 3]);
  queue.push([10, 11]);
  expect(queue.take(1, all)).toEqual([1]);
  queue.sweep((item) => item !== 10);
  expect(queue.size).toBe(3);
  expect(queue.take(10, all)).toEqual([11, 2, 3]);
});

test('nothing is lost or doubled over many callers', () => {
  const queue = createFairQueue<number>();
  const taken: number[] = [];
  for (let call = 0; call < 1_000; call += 1) {
    queue.push([3 * call, 3 * call + 1, 3 * call + 2]);
    taken.push(...queue.take(2, all));
  }
  taken.push(...queue.take(queue.size, all));
  expect(taken.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 3_000 }, (_, index) => index));
});
