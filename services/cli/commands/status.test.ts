import { expect, test } from 'vitest';
import { TerminalError, TransientError } from '#platform/errors.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { answered } from './status.ts';

test('a fleet that ends while it is asked is a sentence, and no message of a connection', async () => {
  const home = await temporaryDirectory('gradus-status-');
  const refused = new TransientError('unavailable', 'No connection established. Last error: connect ECONNREFUSED');
  await expect(answered(home, () => Promise.reject(refused))).rejects.toMatchObject({
    code: 'unavailable',
    message: `the fleet in ${home} has just stopped; ask for its status again in a moment`,
  });
});

test('an answer passes, and so does what no wait will change', async () => {
  const wrong = new TerminalError('internal', 'broken');
  await expect(answered('', () => Promise.resolve(7))).resolves.toBe(7);
  await expect(answered('', () => Promise.reject(wrong))).rejects.toBe(wrong);
});
