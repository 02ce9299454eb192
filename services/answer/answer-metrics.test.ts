import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answerScores, squadScores, substringMatch } from './answer-scores.ts';
import { hotpotqaScores } from './hotpotqa-scores.ts';
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

  test('is idempotent, in every script', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 6 }),
      fc.constantFrom('the', '“a”', 'an—', 'Σ', '\u00a0'),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join('')),
        (text) => {
          const once = normalizeAnswer(text);
          expect(normalizeAnswer(once)).toBe(once);
        },
      ),
    );
  });
});

describe('every answer metric', () => {
  const words = fc
    .array(fc.constantFrom('the', 'red', 'Red!', 'blue', 'a', '12', 'é', 'yes', 'no', 'noanswer'), { maxLength: 5 })
    .map((list) => list.join(' '));
  const metrics = {
    musique: answerScores,
    squad: squadScores,
    hotpotqa: hotpotqaScores,
  } as const;

  test.each(Object.entries(metrics))(
    '%s is within 0..1, symmetric for one answer, 1 for itself, and the maximum over aliases',
    (_, metric) => {
      fc.assert(
        fc.property(words, fc.array(words, { minLength: 1, maxLength: 4 }), (prediction, answers) => {
          const { exactMatch, f1 } = metric(prediction, answers);
          expect(f1).toBeGreaterThanOrEqual(0);
          expect(f1).toBeLessThanOrEqual(1);
          const alone = answers.map((answer) => metric(prediction, [answer]));
          expect(exactMatch).toBe(Math.max(...alone.map((one) => one.exactMatch)));
          expect(f1).toBe(Math.max(...alone.map((one) => one.f1)));
          const [first = ''] = answers;
          expect(metric(first, [prediction]).f1).toBeCloseTo(metric(prediction, [first]).f1, 12);
          expect(metric(first, [first]).exactMatch).toBe(1);
          if (normalizeAnswer(first) !== '') expect(metric(first, [first]).f1).toBe(1);
        }),
      );
    },
  );

  test.each([
    // The first is MuSiQue's (and SQuAD 2's), the others are 0 where nothing is shared.
    ['', 'the', { musique: 1, squad: 0, hotpotqa: 0 }],
    ['A.', '', { musique: 1, squad: 0, hotpotqa: 0 }],
    ['', 'Paris', { musique: 0, squad: 0, hotpotqa: 0 }],
    ['no', 'no one', { musique: 2 / 3, squad: 2 / 3, hotpotqa: 0 }],
    ['yes indeed', 'Yes', { musique: 2 / 3, squad: 2 / 3, hotpotqa: 0 }],
    ['No.', 'no', { musique: 1, squad: 1, hotpotqa: 1 }],
    ['“Paris”', 'Paris', { musique: 0, squad: 0, hotpotqa: 0 }],
    ['twenty-one', 'twenty one', { musique: 0, squad: 0, hotpotqa: 0 }],
    ['1,000', '1000', { musique: 1, squad: 1, hotpotqa: 1 }],
  ] as const)('F1 of %j against %j is %j', (prediction, gold, expected) => {
    for (const [name, metric] of Object.entries(metrics)) {
      const { f1 } = metric(prediction, [gold]);
      expect(f1, name).toBeCloseTo(expected[name as keyof typeof metrics], 12);
    }
  });

  test('takes linear time on megabytes of anything, on either side', () => {
    for (const piece of ['a ', 'the', '“a”', '“the” ', '. ', ' ', 'é', 'x.', '\u00a0', 'word ']) {
      const giant = piece.repeat(Math.ceil(1_000_000 / piece.length));
      for (const metric of Object.values(metrics)) {
        expect(metric(giant, ['Paris']).f1).toBe(0);
        expect(metric('Paris', [giant]).f1).toBe(0);
      }
      expect(substringMatch(giant, ['Paris'], { wholeWords: true, maxWords: 0 })).toBe(0);
    }
  });
});

describe('exact match', () => {
  test('takes the best of answer and aliases', () => {
    expect(answerScores('the Fab Four', ['The Beatles', 'Fab Four']).exactMatch).toBe(1);
  });

  test.each([
    ['A.', '', 1],
    ['twenty-one', 'twenty one', 0],
    ['1,000', '1000', 1],
    ['1990 or 1991 or 1992', '1990', 0],
    ['Paris, France', 'Paris', 0],
    ['', 'Paris', 0],
  ])('%j against %j is %d', (prediction, gold, expected) => {
    expect(answerScores(prediction, [gold]).exactMatch).toBe(expected);
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
    expect(answerScores(prediction, [gold]).f1).toBeCloseTo(expected, 12);
  });

  test('is within 0..1, symmetric for one answer, and never below the exact match', () => {
    const words = fc.array(fc.constantFrom('the', 'red', 'Red!', 'blue', 'a', '12', 'é'), { maxLength: 6 });
    fc.assert(
      fc.property(words, words, (a, b) => {
        const [left, right] = [a.join(' '), b.join(' ')];
        const value = answerScores(left, [right]).f1;
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
        expect(answerScores(right, [left]).f1).toBeCloseTo(value, 12);
        expect(value).toBeGreaterThanOrEqual(answerScores(left, [right]).exactMatch);
      }),
    );
  });

  test('takes the best alias', () => {
    expect(answerScores('Big Apple', ['Boston', 'the big apple', 'New York']).f1).toBe(1);
  });
});
