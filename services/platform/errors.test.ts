import { describe, expect, test } from 'vitest';

import {
  CancelledError,
  TerminalError,
  TransientError,
  cancelledFrom,
  errorCodes,
  errorFrom,
  errorOfCode,
  throwIfCancelled,
} from './errors.ts';

function systemError(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code });
}

describe('errorFrom', () => {
  test('an error of ours comes back unchanged', () => {
    const error = new TerminalError('not_found', 'no such run');
    expect(errorFrom(error)).toBe(error);
  });

  test.each(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'])('%s is worth another try', (code) => {
    expect(errorFrom(systemError(code))).toMatchObject({ name: 'TransientError', code: 'unavailable' });
  });

  test('a full disk is transient and keeps its cause', () => {
    const cause = systemError('ENOSPC');
    expect(errorFrom(cause)).toMatchObject({ name: 'TransientError', code: 'resource_exhausted', cause });
  });

  test('a missing file is terminal', () => {
    expect(errorFrom(systemError('ENOENT'))).toMatchObject({ name: 'TerminalError', code: 'not_found' });
  });

  test('a timed out signal is a deadline, an aborted one a cancellation', () => {
    expect(errorFrom(new DOMException('too late', 'TimeoutError'))).toMatchObject({ code: 'deadline_exceeded' });
    expect(errorFrom(new DOMException('stop', 'AbortError'))).toMatchObject({ code: 'cancelled' });
  });

  test('what is unknown, or no error at all, is internal', () => {
    expect(errorFrom(new TypeError('oops'))).toMatchObject({ code: 'internal', message: 'oops' });
    expect(errorFrom('just text')).toMatchObject({ code: 'internal', message: 'just text' });
    expect(errorFrom(undefined)).toMatchObject({ code: 'internal' });
  });
});

describe('cancelledFrom', () => {
  test('a deadline stays a deadline and any other reason is a cancellation', () => {
    expect(cancelledFrom(new DOMException('late', 'TimeoutError')).code).toBe('deadline_exceeded');
    expect(cancelledFrom(new CancelledError('deadline_exceeded', 'late')).code).toBe('deadline_exceeded');
    expect(cancelledFrom(new Error('the service stops')).code).toBe('cancelled');
    expect(cancelledFrom('why not').code).toBe('cancelled');
  });

  test('throwIfCancelled throws only once the signal has aborted', () => {
    const controller = new AbortController();
    expect(() => throwIfCancelled(controller.signal)).not.toThrow();
    expect(() => throwIfCancelled(undefined)).not.toThrow();
    controller.abort(new Error('enough'));
    expect(() => throwIfCancelled(controller.signal)).toThrow(CancelledError);
  });
});

test('a transient error without a wish for the wait has a default', () => {
  expect(new TransientError('unavailable', 'down').retryAfterMs).toBe(100);
  expect(new TransientError('unavailable', 'down', { retryAfterMs: 0 }).retryAfterMs).toBe(0);
});

test.each(errorCodes)('an error of code %s is made again on the other side', (code) => {
  const error = errorOfCode(code, 'what happened');
  expect(error).toMatchObject({ code, message: 'what happened' });
  expect(errorFrom(error)).toBe(error);
});

test.each([
  ['EROFS', 'permission_denied'],
  ['EISDIR', 'invalid_argument'],
  ['ENOTDIR', 'invalid_argument'],
  ['ENAMETOOLONG', 'invalid_argument'],
  ['ENOSPC', 'resource_exhausted'],
])('%s of the system is %s: said in one sentence', (code, expected) => {
  expect(errorFrom(Object.assign(new Error(`${code}: no`), { code }))).toMatchObject({ code: expected });
});
