import { describe, expect, test } from 'vitest';
import { choiceMatch } from './choice-match.ts';

describe('a choice', () => {
  test.each([
    ['B', ['B'], 1],
    ['b', ['B'], 1],
    ['(B)', ['B'], 1],
    ['B.', ['(b)'], 1],
    ['B)', ['B'], 1],
    ['**B**', ['B'], 1],
    ['Answer: B', ['B'], 1],
    ['The answer is (B).', ['B'], 1],
    ['option C', ['C'], 1],
    ['B) Paris', ['B'], 1],
    ['B. Paris', ['B', 'Paris'], 1],
    ['(B) the Paris', ['B', 'Paris'], 1],
    ['Paris', ['B', 'Paris'], 1],
    ['paris.', ['Paris'], 1],
    ['B) Paris', ['Paris'], 1],
    ['A', ['A'], 1],
    ['a', ['A'], 1],
    ['C. difficile', ['C. difficile'], 1],
    ['A) Paris', ['B', 'Paris'], 0],
    ['B) Rome', ['B', 'Paris'], 0],
    ['A', ['B'], 0],
    ['A and B', ['B'], 0],
    ['A, B', ['B'], 0],
    ['A or B', ['A'], 0],
    ['Bananas', ['B'], 0],
    ['', ['B'], 0],
    ['the', ['A'], 0],
    ['Z', ['Z'], 1],
    ['B', ['Paris'], 0],
    ['B - Paris', ['B'], 1],
    ['B – Paris', ['B', 'Paris'], 1],
    ['B — Rome', ['B', 'Paris'], 0],
    ['**B.** Paris', ['B'], 1],
    ['**B) Paris**', ['B', 'Paris'], 1],
    ['B\nParis', ['B'], 1],
    ['Final answer: B', ['B'], 1],
    ['So the correct option is **(B)**.', ['B'], 1],
    ['My answer: A', ['B'], 0],
    [String.raw`\boxed{B}`, ['B'], 1],
    [String.raw`\boxed{\text{B}}`, ['B'], 1],
    ['$B$', ['B'], 1],
    ['`B`', ['B'], 1],
    ['"B"', ['B'], 1],
    ['Ｂ', ['B'], 1],
    ['（Ｂ）', ['B'], 1],
    ['A - B', ['A'], 0],
    ['A\nB', ['A'], 0],
    ['A-levels', ['A'], 0],
    ['B-52', ['B'], 0],
  ])('%j against %j is %d', (prediction, answers, expected) => {
    expect(choiceMatch(prediction, answers, 10)).toBe(expected);
  });

  test('takes linear time on a megabyte', () => {
    expect(choiceMatch('(B) '.repeat(300_000), ['B'], 10)).toBe(0);
    expect(choiceMatch('the answer is '.repeat(80_000), ['B'], 10)).toBe(0);
  });
});
