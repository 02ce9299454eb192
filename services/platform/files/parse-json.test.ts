import { expect, test } from 'vitest';
import { parseJsonAt } from './parse-json.ts';

test.each([
  ['root:*:20217:0:99999:7:::', '/etc/shadow:1: not valid JSON'],
  ['{"id": "secret" "x"}', '/etc/shadow:1: not valid JSON at its character 17'],
  ['{"id": "secret', '/etc/shadow:1: not valid JSON at its character 15'],
])('what is wrong with %j is said without a word of it', (text, message) => {
  const parse = () => parseJsonAt(text, '/etc/shadow:1');
  expect(parse).toThrow(expect.objectContaining({ code: 'invalid_argument', message }));
});

test('a value is given as it is', () => {
  expect(parseJsonAt('{"a": [1, null]}', 'f:1')).toEqual({ a: [1, null] });
});
