import { expect, test } from 'vitest';
import { TransientError } from '#platform/errors.ts';
import { createAdmission } from './admission.ts';
import { createThroughput } from './throughput.ts';

function refusalOf(work: () => void): TransientError {
  try {
    work();
  } catch (error) {
    if (error instanceof TransientError) return error;
    throw error;
  }
  throw new Error('it was let in');
}

function setUp(limits: { maxWaitingQueries: number; maxWaitingBytes: number }) {
  let nowMs = 0;
  const throughput = createThroughput(1_000, () => nowMs);
  const pass = (ms: number): void => void (nowMs += ms);
  return { admission: createAdmission(limits, throughput), throughput, pass };
}

test('queries beyond the limit are refused, and what was let in before stays', () => {
  const { admission } = setUp({ maxWaitingQueries: 10, maxWaitingBytes: 1_000 });
  admission.enter(10, 100);
  const refusal = refusalOf(() => admission.enter(1, 1));
  expect(refusal.code).toBe('resource_exhausted');
  expect(refusal.message).toMatch(/10 queries, 1 more would pass the limit of 10 \(--max-waiting-queries\)/);
  expect(admission.queries).toBe(10);
  admission.leave(10, 100);
  admission.enter(10, 100);
});

test('bytes are bounded, too, and answers that are held count', () => {
  const { admission } = setUp({ maxWaitingQueries: 10, maxWaitingBytes: 1_000 });
  admission.enter(1, 400);
  admission.hold(600);
  expect(refusalOf(() => admission.enter(1, 1)).message).toMatch(/1000 bytes.*--max-waiting-bytes/);
  admission.leave(1, 1_000);
  expect(admission.bytes).toBe(0);
});

test('a refusal says when half of the queue will be empty, at the latest rate', () => {
  const { admission, throughput, pass } = setUp({ maxWaitingQueries: 1_000, maxWaitingBytes: 1e6 });
  admission.enter(1_000, 0);
  expect(refusalOf(() => admission.enter(1, 0)).retryAfterMs).toBe(500);
  // 200 in 400 ms are 500 a second.
  pass(400);
  throughput.finish(200);
  expect(refusalOf(() => admission.enter(1, 0)).retryAfterMs).toBe(1_000);
});

test('idle time is not taken for slowness, and the rate follows what changes', () => {
  const { throughput, pass } = setUp({ maxWaitingQueries: 1, maxWaitingBytes: 1 });
  pass(60_000);
  throughput.begin();
  pass(1_000);
  throughput.finish(2_000);
  expect(throughput.perSecond).toBeCloseTo(2_000, 6);
  for (let second = 0; second < 20; second += 1) {
    pass(1_000);
    throughput.finish(100);
  }
  expect(throughput.perSecond).toBeLessThan(105);
  expect(throughput.perSecond).toBeGreaterThan(100);
});
