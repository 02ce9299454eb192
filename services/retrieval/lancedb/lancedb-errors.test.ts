import { describe, expect, test } from 'vitest';
import { TerminalError, isGradusError } from '#platform/errors.ts';
import { lancedbError } from './lancedb-errors.ts';

// As LanceDB 0.39 words them.
const source = '/usr/local/cargo/registry/src/x/lance-12.0.0/src/dataset/scanner.rs:7238:66';
const store =
  'Error performing GET http://127.0.0.1/corpora/part_0.lance in 419ms, after 3 retries, max_retries: 3, retry_timeout: 180s';

describe('an error of LanceDB', () => {
  test.each([
    ['deadline_exceeded', `lance error: Query Execution error: Execution error: Query timeout after 1 ms, ${source}`],
    ['unavailable', `LanceError(IO): Generic S3 error: ${store}  - HTTP error: error sending request, ${source}`],
    [
      'failed_precondition',
      'IO { source: RetryError { retry_timeout: 180s, inner: Status { status: 404, body: "<Code>NoSuchBucket</Code>" } } }',
    ],
    ['permission_denied', 'Generic S3 error: <Code>AccessDenied</Code>, retry_timeout: 180s'],
    ['internal', 'something that nobody has seen'],
  ])('becomes %s by its message, shortened to what says something', (code, message) => {
    const error = lancedbError(new Error(message), 's3://corpora');
    expect(isGradusError(error) && error.code).toBe(code);
    expect(error.message).toMatch(/^s3:\/\/corpora: /);
    expect(error.message).not.toMatch(/\.rs:|lance error|LanceError/);
  });

  test('of ours stays what it is', () => {
    const ours = new TerminalError('invalid_argument', 'k: too large');
    expect(lancedbError(ours, 'x')).toBe(ours);
  });
});
