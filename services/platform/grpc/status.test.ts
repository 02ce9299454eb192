import { Metadata, status as Status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';

import { CancelledError, TerminalError, TransientError } from '../errors.ts';
import type { CancelledCode, TerminalCode, TransientCode } from '../errors.ts';
import { errorFromStatus, statusFromError } from './status.ts';

const terminal: readonly TerminalCode[] = [
  'invalid_argument',
  'not_found',
  'already_exists',
  'failed_precondition',
  'unimplemented',
  'data_loss',
  'permission_denied',
  'internal',
];
const transient: readonly TransientCode[] = ['unavailable', 'resource_exhausted', 'aborted'];
const cancelled: readonly CancelledCode[] = ['cancelled', 'deadline_exceeded'];

function roundTrip(error: Error) {
  const status = statusFromError(error);
  return errorFromStatus(status, 'Origin');
}

describe('an error crosses a call unchanged', () => {
  test.each(terminal)('terminal %s', (code) => {
    const details = { field: 'k', value: -1 };
    expect(roundTrip(new TerminalError(code, 'no', { details }))).toMatchObject({
      name: 'TerminalError',
      code,
      message: 'Origin: no',
      details,
    });
  });

  test.each(transient)('transient %s, with the wait it asks for', (code) => {
    expect(roundTrip(new TransientError(code, 'later', { retryAfterMs: 1234 }))).toMatchObject({
      name: 'TransientError',
      code,
      retryAfterMs: 1234,
    });
  });

  test.each(cancelled)('cancelled %s', (code) => {
    expect(roundTrip(new CancelledError(code, 'gone'))).toMatchObject({ name: 'CancelledError', code });
  });
});

test('a message over the size limit is terminal although the library calls it exhausted', () => {
  const details = 'Received message larger than max (70 vs 64)';
  expect(errorFromStatus({ code: Status.RESOURCE_EXHAUSTED, details }, 'O')).toMatchObject({
    name: 'TerminalError',
    code: 'invalid_argument',
  });
});

test('P2: a connection that its server closes under a call is a failure that passes', () => {
  const details =
    'Received RST_STREAM with code 2 triggered by internal client error: Session closed with error code 2';
  expect(errorFromStatus({ code: Status.INTERNAL, details }, 'O')).toMatchObject({
    name: 'TransientError',
    code: 'unavailable',
  });
});

test('an unauthenticated caller is denied, an unknown failure internal', () => {
  expect(errorFromStatus({ code: Status.UNAUTHENTICATED, details: 'who?' }, 'O').code).toBe('permission_denied');
  expect(errorFromStatus({ code: Status.UNKNOWN, details: 'hm' }, 'O').code).toBe('internal');
  expect(errorFromStatus({ code: Status.OUT_OF_RANGE, details: 'k' }, 'O').code).toBe('invalid_argument');
});

test('messages and details that would not fit into trailers are cut or left out', () => {
  const status = statusFromError(
    new TerminalError('internal', 'x'.repeat(100_000), { details: { blob: 'y'.repeat(100_000) } }),
  );
  expect(status.details.length).toBeLessThanOrEqual(2_048);
  expect(errorFromStatus(status, 'O').details).toEqual({});
});

test.each([
  ['letters', 'x'.repeat(100_000)],
  ['emoji, cut between the halves of one', `x${'😀'.repeat(5_000)}`],
  ['ideographs, nine bytes each on the wire', '東'.repeat(2_048)],
  ['half of a surrogate pair', 'cut \ud83d'],
])('a message of %s can be encoded and fits into trailers', (_, message) => {
  const { details } = statusFromError(new TerminalError('internal', message));
  expect(details).not.toBe('');
  expect(encodeURI(details).length).toBeLessThanOrEqual(2_048);
});

test('nonsense in the trailers of a foreign server is ignored', () => {
  const metadata = new Metadata();
  metadata.set('retry-after-ms', 'soon');
  metadata.set('gradus-details-bin', Buffer.from('{not json'));
  expect(errorFromStatus({ code: Status.UNAVAILABLE, details: '', metadata }, 'O')).toMatchObject({
    retryAfterMs: 100,
    details: {},
    message: 'O: UNAVAILABLE',
  });
});
