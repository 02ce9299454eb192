import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { createResetBudget } from './reset-budget.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('800 resets are sent at once, those beyond as time allows, 30 a second', () => {
  const budget = createResetBudget();
  let sent = 0;
  for (let call = 0; call < 1_100; call += 1) budget.spend(() => (sent += 1));
  expect(sent).toBe(800);
  expect(budget.available).toBe(0);
  vi.advanceTimersByTime(5_000);
  expect(sent).toBeGreaterThanOrEqual(948);
  expect(sent).toBeLessThanOrEqual(950);
  vi.advanceTimersByTime(6_000);
  expect(sent).toBe(1_100);
});

test('a call that ends before its reset was sent needs none', () => {
  const budget = createResetBudget();
  for (let call = 0; call < 800; call += 1) budget.spend(() => undefined);
  let sent = 0;
  const withdraw = budget.spend(() => (sent += 1));
  budget.spend(() => (sent += 10));
  withdraw();
  vi.advanceTimersByTime(1_000);
  expect(sent).toBe(10);
});

test('the budget comes back with time, up to what it was', () => {
  const budget = createResetBudget();
  for (let call = 0; call < 90; call += 1) budget.spend(() => undefined);
  expect(budget.available).toBe(710);
  vi.advanceTimersByTime(1_000);
  expect(budget.available).toBe(740);
  vi.advanceTimersByTime(60_000);
  expect(budget.available).toBe(800);
});
