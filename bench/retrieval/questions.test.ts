import { expect, test } from 'vitest';
import { distinctQueries } from './questions.ts';

const questions = ['Who wrote the novel Norwick Vale?', 'Where was Halvard Brontley born?'];

test('queries are the questions first, then as many different ones as asked for', () => {
  const queries = distinctQueries(questions, 9);
  expect(queries.slice(0, 2)).toEqual(questions);
  expect(new Set(queries).size).toBe(9);
  expect(distinctQueries(questions, 1)).toEqual(questions.slice(0, 1));
});

test('more queries than words give are refused', () => {
  expect(() => distinctQueries(questions, 1_000)).toThrow('2 questions do not give 1000 queries');
});
