import { describe, expect, test } from 'vitest';
import { recallAt } from './recall-at.ts';

describe('recall at k', () => {
  test('is the mean share of the support found, next to the share of questions with all of it', () => {
    const rankings = [
      ['a', 'x', 'b'],
      ['y', 'c', 'z'],
    ];
    const supports = [['a', 'b'], ['c']];
    expect(recallAt(rankings, supports, [1, 2, 3])).toEqual([
      { k: 1, recall: 0.25, allFound: 0 },
      { k: 2, recall: 0.75, allFound: 0.5 },
      { k: 3, recall: 1, allFound: 1 },
    ]);
  });

  test('gives a page one rank, however many of its chunks were found', () => {
    expect(recallAt([['a', 'a', 'a', 'b']], [['b']], [2])).toEqual([{ k: 2, recall: 1, allFound: 1 }]);
  });

  test('counts a question without hits as nothing found', () => {
    expect(recallAt([[]], [['a']], [10])).toEqual([{ k: 10, recall: 0, allFound: 0 }]);
  });
});
