import { expect, test } from 'vitest';
import { createTally } from './tally.ts';

test('every call is right, wrong, an error or lost', () => {
  const tally = createTally();
  for (let call = 0; call < 10; call++) tally.begun();
  for (let call = 1; call <= 5; call++) tally.ended({ kind: 'right' }, call);
  tally.ended({ kind: 'wrong' }, 900);
  tally.ended({ kind: 'failed', reason: 'http status 503' }, 900);
  tally.ended({ kind: 'failed', reason: 'http status 503' }, 900);
  tally.ended({ kind: 'failed', reason: 'ECONNRESET' }, 900);
  expect(tally.report()).toEqual({
    calls: 10,
    right: 5,
    wrong: 1,
    errors: 3,
    errorsByReason: { 'http status 503': 2, ECONNRESET: 1 },
    lost: 1,
    p50Ms: 3,
    p95Ms: 5,
    p99Ms: 5,
    maxMs: 5,
  });
});
