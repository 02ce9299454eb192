import { expect, test } from 'vitest';
import { utf8Text } from './parse-json.ts';

test('text is UTF-8, with or without a byte-order mark', () => {
  expect(utf8Text(Buffer.from('name: São Paulo'), 'r.yaml')).toBe('name: São Paulo');
  expect(utf8Text(Buffer.from('\ufeffname: x'), 'r.yaml')).toBe('name: x');
});

test.each([
  ['Latin-1', Buffer.from('name: São Paulo', 'latin1')],
  ['half of a character', Buffer.from('🎉').subarray(0, 3)],
])('%s is refused with the name of its file', (_what, bytes) => {
  expect(() => utf8Text(bytes, 'r.yaml')).toThrow('r.yaml: not valid UTF-8; save the file as UTF-8');
});
