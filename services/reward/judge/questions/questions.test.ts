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
    // An article, a vitamin, an initial.
    ['A comparison with the reference shows that the answer is INCORRECT.', undefined],
    ['A correct answer names Paris; this one does not.', undefined],
    ['Answer: A careful reading finds nothing of the kind.', undefined],
    ['The answer names Vitamin C, as the reference does: CORRECT.', undefined],
    ['Plan B failed, as the reference says.', undefined],
    ['The answer is A. Smith, not B. Jones.', undefined],
    ['The reference answer is C.', undefined],
    // What states a grade.
    ['_B_', 'incorrect'],
    ['"B"', 'incorrect'],
    ['(B)', 'incorrect'],
    ['[[B]]', 'incorrect'],
    [String.raw`\boxed{B}`, 'incorrect'],
    ['Ｂ', 'incorrect'],
    ['{"grade": "B", "reason": "A is too kind"}', 'incorrect'],
    ['<grade>B</grade>', 'incorrect'],
    ['Grade: **A**', 'correct'],
    ['My final answer is C.', 'not_attempted'],
    ['C (NOT_ATTEMPTED)', 'not_attempted'],
    ['A quick look is enough.\nIt is Rome, not Paris.\n\nB', 'incorrect'],
    ['The verdict is B because A city in France was asked for.', 'incorrect'],
    ['Grade: A (CORRECT)', 'correct'],
    ['**Grade: A (Correct)**', 'correct'],
    ['Final grade: B (INCORRECT)', 'incorrect'],
    ['Grade: C (NOT_ATTEMPTED), since it names none.', 'not_attempted'],
    ['Grade A', 'correct'],
    ['Grade — A', 'correct'],
    ['Grade – B.', 'incorrect'],
    ['The verdict would be A.', 'correct'],
    ['A: CORRECT\nB: INCORRECT\nC: NOT_ATTEMPTED\n\nB', 'incorrect'],
    ['Grade: B\n\nA: CORRECT\nB: INCORRECT\nC: NOT_ATTEMPTED', 'incorrect'],
    // What contradicts itself, or repeats what was asked.
    ['A: INCORRECT', undefined],
    ['Grade: A\nOn reflection:\nB', undefined],
    ['Grade: A, B or C?', undefined],
    ['Grade: A (INCORRECT)', undefined],
    ['Grade: A: INCORRECT, because it says Rome.', undefined],
    ['A: CORRECT\nB: INCORRECT\nC: NOT_ATTEMPTED', undefined],
    ['The grades:\n**A**: Correct.\n**B**: Incorrect.', undefined],
    ['The verdict would be A, had it been right.', undefined],
    ['The grade is A, if Paris was meant.', undefined],
    ['Grade A students wrote it.', undefined],
    ['If the grade is A, it must say Paris.', undefined],
    // Thoughts.
    ['<think>\nA correct answer must say Paris. Grade: A?\n</think>\n\nB', 'incorrect'],
    ['The answer could be\nA\n</think>\nB', 'incorrect'],
    ['[THINK]Grade: A.[/THINK]B', 'incorrect'],
    ['<thinking>A</thinking><thinking>C</thinking>B', 'incorrect'],
    ['<|channel|>analysis<|message|>A<|end|><|start|>assistant<|channel|>final<|message|>B<|return|>', 'incorrect'],
    ['<think>\nA correct answer would be\nA', undefined],
    ['<think>A</think>', undefined],
    ['<|channel|>analysis<|message|>A', undefined],
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
    ['A closer look shows that the second is better.', true, undefined],
    ['B is the letter of a vitamin, too.', true, undefined],
    ['Nothing to tell a TIE from in this A', true, undefined],
    ['The better answer is B.', true, 'second'],
    ['[[TIE]]', true, 'tie'],
    ['Winner: A', true, 'first'],
    ['<think>{"verdict": "A"}</think>{"verdict": "B"}', true, 'second'],
    ['<think>{"verdict": "A"}', true, undefined],
    ['{"reason": "the first has a <think> without an end", "verdict": "B"}', true, 'second'],
  ])('of %j with ties %s is %s', (text, ties, verdict) => {
    expect(parseVerdict(text, ties)).toBe(verdict);
  });
});

describe('ratings', () => {
  test('are taken when every criterion has a number within 0..1', () => {
    expect(parseRatings('{"clear": 0.5, "true": 1, "more": 9}', ['clear', 'true'])).toEqual({ clear: 0.5, true: 1 });
  });

  test('are those behind the thoughts', () => {
    const reply = '<think>\nI might give {"clear": 0.2, "true": 0.2} at first.\n</think>\n{"clear": 0.8, "true": 1}';
    expect(parseRatings(reply, ['clear', 'true'])).toEqual({ clear: 0.8, true: 1 });
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
    ['<think>{"ranking": [1, 2, 3]}</think>{"ranking": [3, 1, 2]}', [2, 0, 1]],
  ])('of %j is %j', (text, indices) => {
    expect(parseRanking(text, 3)).toEqual(indices);
  });
});

test('the JSON object of a reply is found in linear time, and talk around it never throws', () => {
  expect(findJson('{'.repeat(500_000))).toBeUndefined();
  expect(findJson('{"a":'.repeat(200_000))).toBeUndefined();
  fc.assert(fc.property(fc.string(), (text) => void findJson(`${text}{"a": 1}${text}`)));
});

test('a letter that is stated is found in linear time', () => {
  for (const piece of ['A.', 'grade:', 'grade is A ', 'answer ', '<think>', '(', 'A\n', '- '])
    expect(['correct', undefined]).toContain(parseGrade(piece.repeat(200_000)));
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
