import { expect, test } from 'vitest';
import { prototypeKeys } from './prototype-keys.ts';

const read = (text: string): unknown => JSON.parse(text);

test.each([
  ['{"a": {"__proto__": 1}, "b": [{}, {"c": {"__proto__": {}}}]}', ['a.__proto__', 'b.1.c.__proto__']],
  ['{"__proto__": {"__proto__": 1}}', ['__proto__']],
  ['{"constructor": {"prototype": 1}}', ['constructor']],
  ['{"prototype": 1, "toString": 2}', []],
  ['["__proto__"]', []],
  ['null', []],
])('of %s the keys %j', (text, expected) => {
  const found = prototypeKeys(read(text)).map((path) => path.join('.'));
  expect(found.toSorted()).toEqual(expected);
});

test('an object has no such key of its own', () => {
  expect(prototypeKeys({ a: { b: [1] } })).toEqual([]);
});

test('values of any depth and number are read, and a few keys are enough', () => {
  expect(prototypeKeys(read(`${'['.repeat(100_000)}${']'.repeat(100_000)}`))).toEqual([]);
  const many = read(`[${Array.from({ length: 1_000 }, () => '{"__proto__": 1}').join(',')}]`);
  expect(prototypeKeys(many, 20)).toHaveLength(20);
  const round: { self?: unknown } = {};
  round.self = round;
  expect(prototypeKeys(round)).toEqual([]);
});
