import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { resumeHint } from './resume-hint.ts';

const home = resolve('runs');
const failed = "rollout t-1: own.py:3: KeyError; fix it, then 'gradus resume a --accept-changed environment'";

test.each([
  [home, 'stopped', 'gradus resume a'],
  ['/elsewhere', '', 'gradus resume a --home /elsewhere'],
  [home, failed, 'gradus resume a --accept-changed environment'],
  ['/elsewhere', failed, 'gradus resume a --home /elsewhere --accept-changed environment'],
])('a run in %s that ended with %j is continued by %s', (where, message, command) => {
  expect(resumeHint({ runId: 'a', home: where }, message)).toBe(`continue it with: ${command}`);
});

test('a run of a fleet with certificates is continued with them', () => {
  expect(resumeHint({ runId: 'a', home, credentials: '/creds' }, '')).toBe(
    'continue it with: gradus resume a --credentials /creds',
  );
});
