import { expect, test } from 'vitest';
import { ways } from './ways.ts';

const engines = ['a:1', 'b:1', 'c:1'].map((address, index) => ({
  address,
  inFlight: index,
  foreign: 0,
  waiting: 0,
  capacity: 8,
  kvUsedRatio: 0,
}));

const chosen = (way: string, count: number, own?: string) => {
  const choose = ways[way]?.('seed');
  return Array.from({ length: count }, () => choose?.(engines, own));
};

test('the way of the gateway keeps to the engine of the session, least loaded alone does not', () => {
  expect(chosen('least_loaded_sticky', 1, 'c:1')).toEqual(['c:1']);
  expect(chosen('least_loaded', 1, 'c:1')).toEqual(['a:1']);
});

test('round robin takes every engine equally often, random takes all of them, and the same ones again', () => {
  const [first, second, third, ...again] = chosen('round_robin', 6);
  expect(new Set([first, second, third]).size).toBe(3);
  expect(again).toEqual([first, second, third]);
  expect(new Set(chosen('random', 60)).size).toBe(3);
  expect(chosen('random', 60)).toEqual(chosen('random', 60));
});
