import fc from 'fast-check';
import { expect, test } from 'vitest';

import { editDistance, suggest } from './suggest.ts';

test('the edit distance counts insertions, deletions, replacements and swaps of neighbours', () => {
  expect(editDistance('fuond', 'found')).toBe(1);
  expect(editDistance('ab', 'ba')).toBe(1);
  expect(editDistance('kitten', 'sitting')).toBe(3);
  expect(editDistance('', 'abc')).toBe(3);
  expect(editDistance('same', 'same')).toBe(0);
});

test('the edit distance is symmetric, bounded, and zero only for equal words', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const distance = editDistance(a, b);
      expect(distance).toBe(editDistance(b, a));
      expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      expect(distance === 0).toBe(a === b);
    }),
  );
});

test('a slip of the pen finds what was meant, another word finds nothing', () => {
  const keys = ['natsUrl', 'drainMs', 'logLevel'];
  expect(suggest('natsUlr', keys)).toBe('natsUrl');
  expect(suggest('fuond', ['found'])).toBe('found');
  expect(suggest('nats_url', keys)).toBe('natsUrl');
  expect(suggest('--drain-m', keys)).toBe('drainMs');
  expect(suggest('temperature', keys)).toBeUndefined();
});

test('a word of more than 64 characters is compared with nothing', () => {
  const compared: string[] = [];
  function* candidates() {
    for (const candidate of ['x'.repeat(60), 'x'.repeat(66)]) {
      compared.push(candidate);
      yield candidate;
    }
  }
  expect(suggest('x'.repeat(65), candidates())).toBeUndefined();
  expect(compared).toEqual([]);
  expect(suggest('x'.repeat(62), candidates())).toBe('x'.repeat(60));
});
