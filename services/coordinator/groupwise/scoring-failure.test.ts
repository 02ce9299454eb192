import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ScoreGroupResponseSchema } from '#proto/reward/v1/group_pb.ts';
import { CancelledError, TerminalError, TransientError } from '#platform/errors.ts';
import { createOutages } from './outages.ts';
import { failureFromError, failureInResponse } from './scoring-failure.ts';

const response = (absences: Record<string, number>) =>
  create(ScoreGroupResponseSchema, {
    planned: 10,
    missing: Object.values(absences).reduce((sum, count) => sum + count, 0),
    absences,
  });

describe('why a group has no scores', () => {
  it('is nothing when no judgement is missing', () => {
    expect(failureInResponse(response({}))).toBeUndefined();
  });

  it('is the judge that is unavailable, even when more questions were refused or could not be read', () => {
    expect(failureInResponse(response({ unparsable: 3, circuit_open: 1, timeout: 2 }))).toEqual({
      reason: 'timeout',
      detail: '6 of 10 comparisons are missing: unparsable 3, timeout 2, circuit_open 1',
      passes: true,
    });
  });

  it.each(['refused', 'unparsable', 'deadline'])('does not pass by waiting when it is %s', (reason) => {
    expect(failureInResponse(response({ [reason]: 1 }))).toMatchObject({ reason, passes: false });
  });

  it('is a service that is unavailable, overloaded or late; a request that is wrong is none', () => {
    expect(failureFromError(new TransientError('unavailable', 'gone'))).toMatchObject({ passes: true, detail: 'gone' });
    expect(failureFromError(new TransientError('resource_exhausted', 'full'))).toMatchObject({ passes: true });
    expect(failureFromError(new CancelledError('deadline_exceeded', 'late'))).toMatchObject({ passes: true });
    expect(failureFromError(new CancelledError('cancelled', 'draining'))).toMatchObject({ passes: true });
    expect(failureFromError(new TerminalError('invalid_argument', 'no such judge'))).toBeUndefined();
  });
});

describe('an outage', () => {
  it('is counted from the first failure after an answer, over all groups, by judge', () => {
    let nowMs = 1_000;
    const outages = createOutages(() => nowMs);
    expect(outages.failed('main')).toBe(0);
    nowMs = 4_000;
    expect(outages.failed('main')).toBe(3_000);
    expect(outages.failed('other')).toBe(0);
    outages.forget('main');
    nowMs = 9_000;
    expect(outages.failed('main')).toBe(0);
    expect(outages.failed('other')).toBe(5_000);
  });
});
