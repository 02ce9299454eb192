import { expect, test } from 'vitest';
import { bothEnds, firstOf, shortText, showValue } from './show-value.ts';

test('a short value is shown as JSON', () => {
  expect(showValue({ a: [1, 'x', null, true], 'b"': { c: 0.5 } })).toBe('{"a":[1,"x",null,true],"b\\"":{"c":0.5}}');
  expect(showValue('x\ny')).toBe('"x\\ny"');
  expect(showValue(undefined)).toBe('undefined');
  expect(showValue(10n)).toBe('"10"');
  expect(showValue({ weight: NaN })).toBe('{"weight":"NaN"}');
});

test.each([
  ['a string', 'x'.repeat(10_000_000)],
  ['a list', Array.from({ length: 1_000_000 }, (_, at) => at)],
  ['an object', Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`key ${at}`, at]))],
  ['a key', { ['k'.repeat(10_000_000)]: 1 }],
  ['a list of strings', Array.from({ length: 100 }, () => 'y'.repeat(1_000_000))],
])('%s of any size is shown on one line that ends in ...', (_what, value) => {
  const shown = showValue(value);
  expect(shown.length).toBeLessThanOrEqual(80);
  expect(shown).toMatch(/\.\.\.$/);
});

test('a value of any depth is shown', () => {
  let deep: unknown = 1;
  for (let depth = 0; depth < 100_000; depth += 1) deep = [deep];
  expect(showValue(deep)).toMatch(/^\[{77}\.\.\.$/);
});

test('only as much of a list is read as is shown', () => {
  let read = 0;
  const list = new Proxy(
    Array.from({ length: 10_000 }, (_, at) => at),
    {
      get(target, name, receiver) {
        if (typeof name === 'string' && /^\d+$/.test(name)) read += 1;
        return Reflect.get(target, name, receiver);
      },
    },
  );
  showValue(list);
  expect(read).toBeLessThanOrEqual(80);
});

test('a cut does not split a character', () => {
  const cut = shortText('🎉'.repeat(100), 10);
  expect(cut).toBe('🎉🎉🎉...');
  expect(shortText('🎉'.repeat(100), 11).isWellFormed()).toBe(true);
});

test('of many problems the first are listed, and the others counted', () => {
  const problems = Array.from({ length: 20_000 }, (_, at) => `problem ${at}`);
  expect(firstOf(problems)).toHaveLength(21);
  expect(firstOf(problems).at(-1)).toBe('and 19,980 more');
  expect(firstOf(problems.slice(0, 20))).toEqual(problems.slice(0, 20));
});

test('a text of any length keeps how it begins and how it ends', () => {
  expect(bothEnds('short', 10)).toBe('short');
  expect(bothEnds(`the agent: ${'at line 5; '.repeat(1000)}no such file`, 36)).toBe(
    'the agent... at line 5; no such file',
  );
  const cut = bothEnds('\u{1f600}'.repeat(100), 30);
  expect(cut).toMatch(/^[.\u{1f600}]+$/u);
  expect(cut.length).toBeLessThanOrEqual(30);
});
