import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { deadlineSignal } from './deadline-signal.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a deadline aborts with its name and time', () => {
  using deadline = deadlineSignal(undefined, 5_000, 'reading');
  vi.advanceTimersByTime(5_000);
  expect(deadline.signal.reason).toMatchObject({
    code: 'deadline_exceeded',
    message: 'reading took longer than 5000 ms',
  });
});

test('without a deadline only the parent ends the wait', () => {
  const parent = new AbortController();
  using deadline = deadlineSignal(parent.signal, Infinity);
  vi.advanceTimersByTime(3_600_000);
  expect(deadline.signal.aborted).toBe(false);
  parent.abort();
  expect(deadline.signal.aborted).toBe(true);
});
