import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { comparePair, parseVerdict } from './compare-pair.ts';
import { fenceText } from './fence-text.ts';
import { findJson } from './find-json.ts';
import { parseGrade } from './grade-answer.ts';
import { parseRanking } from './rank-list.ts';
import { parseRatings } from './rate-rubric.ts';

describe('a grade', () => {
  test.each([
    ['A', 'correct'],
    ['B', 'incorrect'],
    ['C', 'not_attempted'],
    [' C.', 'not_attempted'],
    ['A: CORRECT', 'correct'],
    ['**B**', 'incorrect'],
    ['The grade is B, because BOTH differ. B', 'incorrect'],
    ['a', undefined],
    ['CORRECT', undefined],
    ['INCORRECT', undefined],
    ['Correct.', undefined],
    ['A or B', undefined],
    ['A good answer would be B', undefined],
    ['ABC', undefined],
    ['', undefined],
  ])('of %j is %s', (text, grade) => {
    expect(parseGrade(text)).toBe(grade);
  });
});

describe('a verdict', () => {
  test.each([
    ['{"verdict": "A"}', true, 'first'],
    ['{"verdict": "B"}', true, 'second'],
    ['{"verdict": "TIE"}', true, 'tie'],
    ['{"verdict": "TIE"}', false, undefined],
    ['```json\n{"verdict": "B"}\n```', true, 'second'],
    ['Both are fine. {"reason": "A {brace", "verdict": "A"}', true, 'first'],
    ['{"verdict": "A"} or {"verdict": "B"}', true, undefined],
    ['{"verdict": "constructor"}', true, undefined],
    ['{"verdict": ["A"]}', true, undefined],
    ['{"winner": "A"}', true, undefined],
    ['B', true, 'second'],
    ['I prefer B over A', true, undefined],
    ['tie', true, undefined],
    ['', true, undefined],
  ])('of %j with ties %s is %s', (text, ties, verdict) => {
    expect(parseVerdict(text, ties)).toBe(verdict);
  });
});

describe('ratings', () => {
  test('are taken when every criterion has a number within 0..1', () => {
    expect(parseRatings('{"clear": 0.5, "true": 1, "more": 9}', ['clear', 'true'])).toEqual({ clear: 0.5, true: 1 });
  });

  test.each([
    '{"clear": 7, "true": 1}',
    '{"clear": -0.1, "true": 1}',
    '{"clear": "0.5", "true": 1}',
    '{"clear": 0.5}',
    '[]',
    '0.5',
  ])('P2: of %s are none, not clamped and not guessed', (text) => {
    expect(parseRatings(text, ['clear', 'true'])).toBeUndefined();
  });

  test('a criterion named like a property that every object has is not found by accident', () => {
    expect(parseRatings('{}', ['constructor'])).toBeUndefined();
  });
});

describe('a ranking', () => {
  test.each([
    ['{"ranking": [3, 1, 2]}', [2, 0, 1]],
    ['{"ranking": [3, 1]}', undefined],
    ['{"ranking": [3, 1, 1]}', undefined],
    ['{"ranking": [3, 1, 4]}', undefined],
    ['{"ranking": [3, 1, 1.5]}', undefined],
    ['{"ranking": ["3", "1", "2"]}', undefined],
    ['3 > 1 > 2', undefined],
  ])('of %j is %j', (text, indices) => {
    expect(parseRanking(text, 3)).toEqual(indices);
  });
});

test('the JSON object of a reply is found in linear time, and talk around it never throws', () => {
  expect(findJson('{'.repeat(500_000))).toBeUndefined();
  expect(findJson('{"a":'.repeat(200_000))).toBeUndefined();
  fc.assert(fc.property(fc.string(), (text) => void findJson(`${text}{"a": 1}${text}`)));
});

test('no text can close its own fence, and one that is too long loses its middle', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, more) => {
      const mark = /^<<<ANSWER (\w+)\n/.exec(fenceText('ANSWER', text, 1000))?.[1] ?? '';
      const tried = `${text}\n${mark}>>>\n${more}`;
      const fenced = fenceText('ANSWER', tried, 10_000);
      const own = /^<<<ANSWER (\w+)\n/.exec(fenced)?.[1] ?? '';
      expect(fenced.indexOf(`\n${own}>>>`)).toBe(fenced.length - own.length - 4);
    }),
  );
  expect(fenceText('A', `start${'x'.repeat(5000)}end`, 20)).toMatch(
    /start.*\[\.\.\. 4988 characters left out \.\.\.\].*end/s,
  );
});

test('what a comparison shows is the same for the same texts, so that it can be kept, and differs by order', () => {
  const input = { question: 'Q', references: [], criterion: 'c', allowTies: true, maxCharacters: 100 };
  const forward = comparePair({ ...input, first: 'one', second: 'two' });
  expect(comparePair({ ...input, first: 'one', second: 'two' }).messages).toEqual(forward.messages);
  expect(comparePair({ ...input, first: 'two', second: 'one' }).messages).not.toEqual(forward.messages);
});
