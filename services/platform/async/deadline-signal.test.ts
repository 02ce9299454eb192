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

test.each([0, 1])('of several parents, parent %i ends the wait with its own reason', (which) => {
  const parents = [new AbortController(), new AbortController()];
  using deadline = deadlineSignal(
    parents.map(({ signal }) => signal),
    Infinity,
  );
  parents[which]?.abort(new Error(`parent ${which}`));
  expect(deadline.signal.reason).toMatchObject({ message: `parent ${which}` });
  using late = deadlineSignal(
    parents.map(({ signal }) => signal),
    Infinity,
  );
  expect(late.signal.reason).toMatchObject({ message: `parent ${which}` });
});
