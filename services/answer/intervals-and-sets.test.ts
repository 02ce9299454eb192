import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { intervalIou, iou, parseInterval } from './interval-iou.ts';
import { setScores, splitElements } from './set-f1.ts';

describe('an interval', () => {
  test.each([
    ['12.5 - 20', [12.5, 20]],
    ['[12.5, 20]', [12.5, 20]],
    ['(12.5; 20.0)', [12.5, 20]],
    ['from 12 s to 20 s', [12, 20]],
    ['0:12 to 1:20.5', [12, 80.5]],
    ['1:00:00 – 1:00:10', [3600, 3610]],
    ['3 9', [3, 9]],
    ['-5 to -2', [-5, -2]],
  ])('%j is read', (text, [start, end]) => {
    expect(parseInterval(text)).toEqual({ start, end });
  });

  test.each(['20 - 10', '5 - 5', '5', '', 'from start to end', '1 - 2 - 3', '1 - 2'.repeat(1000)])(
    '%j is none',
    (text) => {
      expect(parseInterval(text)).toBeUndefined();
      expect(intervalIou(text, ['1 - 2'])).toBe(0);
    },
  );

  test('has an intersection over union worked out by hand, with the best of the answers', () => {
    // 5 of 15 seconds are shared.
    expect(intervalIou('0 - 10', ['5 - 15'])).toBeCloseTo(1 / 3, 12);
    expect(intervalIou('0 - 10', ['50 - 60', '0 - 10'])).toBe(1);
    expect(intervalIou('0 - 10', ['10 - 20'])).toBe(0);
    expect(intervalIou('2 - 4', ['0 - 10'])).toBeCloseTo(0.2, 12);
  });

  test('is within 0..1, symmetric, and 1 only for itself', () => {
    const interval = fc
      .tuple(fc.double({ min: 0, max: 100, noNaN: true }), fc.double({ min: 1e-3, max: 50, noNaN: true }))
      .map(([start, length]) => ({ start, end: start + length }));
    fc.assert(
      fc.property(interval, interval, (a, b) => {
        const value = iou(a, b);
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
        expect(iou(b, a)).toBeCloseTo(value, 12);
        expect(iou(a, a)).toBe(1);
      }),
    );
  });
});

describe('a set', () => {
  const f1 = (predicted: readonly string[], gold: readonly string[]) =>
    setScores(
      predicted,
      gold.map((name) => [name]),
    ).f1;

  test('is compared by what its elements normalise to, order and repeats aside', () => {
    expect(f1(['The Beatles', 'queen', 'Queen!'], ['Queen', 'Beatles'])).toBe(1);
    // 1 of 2 said, 1 of 3 wanted: 2 * (1/2) * (1/3) / (5/6).
    expect(f1(['red', 'pink'], ['red', 'green', 'blue'])).toBeCloseTo(0.4, 12);
    expect(f1([], ['red'])).toBe(0);
    expect(f1(['the'], ['an'])).toBe(0);
  });

  test('takes one alias of an element, and naming two of them is no second element', () => {
    expect(setScores(['NYC', 'New York', 'Rome'], [['New York', 'NYC'], ['Rome']])).toEqual({
      exactMatch: 1,
      f1: 1,
      prec: 1,
      recall: 1,
    });
  });

  test('is within 0..1 and symmetric without aliases', () => {
    const names = fc.array(fc.constantFrom('red', 'Red', 'the red', 'blue', 'green', 'a', ''), { maxLength: 6 });
    fc.assert(
      fc.property(names, names, (a, b) => {
        const value = f1(a, b);
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
        expect(f1(b, a)).toBeCloseTo(value, 12);
      }),
    );
  });

  test('is split at line breaks and the separator, list marks aside', () => {
    expect(splitElements('- red\n2. green, 3.5 blue\n\n* ', ',')).toEqual(['red', 'green', '3.5 blue', '*']);
    expect(splitElements('Paris, France; Rome', ';')).toEqual(['Paris, France', 'Rome']);
  });
});
