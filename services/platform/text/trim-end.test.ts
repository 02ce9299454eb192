import { expect, test } from 'vitest';
import { trimEnd } from './trim-end.ts';

test.each([
  ['/a/b///', '/a/b'],
  ['///', ''],
  ['/a/b', '/a/b'],
  ['', ''],
])('%j without the slashes at its end is %j', (text, expected) => {
  expect(trimEnd(text, '/')).toBe(expected);
});
