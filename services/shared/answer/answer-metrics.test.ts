import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answerF1 } from './answer-f1.ts';
import { exactMatch } from './exact-match.ts';
import { normalizeAnswer } from './normalize-answer.ts';

describe('the normaliser', () => {
  test.each([
    ['The  Beatles!', 'beatles'],
    ['a "U.S.A."', 'usa'],
    ['an  apple\tand\nthe pear', 'apple and pear'],
    ['1,000', '1000'],
    ['Theatre', 'theatre'],
    ['aé an-d', 'aé and'],
    ['A.', ''],
    ['the', ''],
    ['“curly” – dash', '“curly” – dash'],
    ['non\u00a0breaking\u3000space\u0085end', 'non breaking space end'],
    ['ÉCOLE', 'école'],
    ['a_b the_c', 'ab thec'],
  ])('turns %j into %j', (raw, expected) => {
    expect(normalizeAnswer(raw)).toBe(expected);
  });

  test('is idempotent', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const once = normalizeAnswer(text);
        expect(normalizeAnswer(once)).toBe(once);
      }),
    );
  });
});

describe('exact match', () => {
  test('takes the best of answer and aliases', () => {
    expect(exactMatch('the Fab Four', ['The Beatles', 'Fab Four'])).toBe(1);
  });

  test.each([
    ['A.', '', 1],
    ['twenty-one', 'twenty one', 0],
    ['1,000', '1000', 1],
    ['1990 or 1991 or 1992', '1990', 0],
    ['Paris, France', 'Paris', 0],
    ['', 'Paris', 0],
  ])('%j against %j is %d', (prediction, gold, expected) => {
    expect(exactMatch(prediction, [gold])).toBe(expected);
  });
});

describe('F1', () => {
  test.each([
    // 1 common word; precision 1/2, recall 1/1.
    ['Paris France', 'Paris', 2 / 3],
    // 2 common of 3 predicted and 4 gold: p = 2/3, r = 2/4.
    ['red green blue', 'green red white black', (2 * (2 / 3) * 0.5) / (2 / 3 + 0.5)],
    // A repeated word counts as often as both sides have it.
    ['la la land', 'la land', (2 * (2 / 3) * 1) / (2 / 3 + 1)],
    ['1990 or 1991 or 1992', '1990', (2 * 0.2 * 1) / (0.2 + 1)],
    ['', 'Paris', 0],
    ['the', 'an', 1],
    ['London', 'Paris', 0],
  ])('of %j against %j is %d', (prediction, gold, expected) => {
    expect(answerF1(prediction, [gold])).toBeCloseTo(expected, 12);
  });

  test('is within 0..1, symmetric for one answer, and never below the exact match', () => {
    const words = fc.array(fc.constantFrom('the', 'red', 'Red!', 'blue', 'a', '12', 'é'), { maxLength: 6 });
    fc.assert(
      fc.property(words, words, (a, b) => {
        const [left, right] = [a.join(' '), b.join(' ')];
        const value = answerF1(left, [right]);
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
        expect(answerF1(right, [left])).toBeCloseTo(value, 12);
        expect(value).toBeGreaterThanOrEqual(exactMatch(left, [right]));
      }),
    );
  });

  test('takes the best alias', () => {
    expect(answerF1('Big Apple', ['Boston', 'the big apple', 'New York'])).toBe(1);
  });
});
