import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJsonBody } from './json-body.ts';

const bounds = { mostValues: 100_000, mostDepth: 64 };
const parse = (text: string | Buffer) => parseJsonBody(Buffer.from(text), bounds);

test('a body is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const text = JSON.stringify(value);
      expect(parse(text)).toEqual(JSON.parse(text));
    }),
  );
});

test('brackets, commas and escaped quotation marks inside strings are text', () => {
  const value = { 'k\\"[{': ['[{,:\\', '"'.repeat(1000), `${'['.repeat(1000)}\\"`] };
  expect(parseJsonBody(Buffer.from(JSON.stringify(value)), { mostValues: 6, mostDepth: 2 })).toEqual(value);
});

test.each([
  [
    'a million keys',
    `{${Array.from({ length: 1_000_000 }, (_, at) => `"k${at}":0`).join(',')}}`,
    /holds 2000001 values/,
  ],
  ['a million empty lists', `[${'[],'.repeat(1_000_000)}[]]`, /holds 2000003 values; give at most 100000/],
  ['a million brackets', '['.repeat(1_000_000), /more than 64 deep/],
  ['a million objects in each other', '{"a":'.repeat(1_000_000), /more than 64 deep/],
])('%s are refused before anything is parsed', (_what, text, expected) => {
  const parser = JSON.parse;
  JSON.parse = () => {
    throw new Error('it was parsed');
  };
  try {
    expect(() => parse(text)).toThrow(expected);
  } finally {
    JSON.parse = parser;
  }
});

test.each([
  ['Latin-1', Buffer.from('{"query": "café"}', 'latin1')],
  ['half of a character', Buffer.from('{"query": "\u{1f389}"}').subarray(0, 14)],
  ['UTF-16', Buffer.from('{"query": "cafe"}', 'utf16le')],
])('%s is refused: it would be another text', (what, bytes) => {
  expect(() => parse(bytes)).toThrow(what === 'UTF-16' ? /not JSON/ : /body: not UTF-8; encode it as UTF-8/);
});

test.each(['', '{', '"', '"\\', '[1,]', '{"a"}', 'nil', '\\"'])('%j is refused as no JSON', (text) => {
  expect(() => parse(text)).toThrow(/^body: not JSON \(/);
});
