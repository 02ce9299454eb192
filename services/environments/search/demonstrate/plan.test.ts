import { expect, test } from 'vitest';
import { parseMusiqueRow } from '#questions/musique/read-musique.ts';
import { planOf } from './plan.ts';

const row = parseMusiqueRow(
  JSON.stringify({
    id: '2hop__1_2',
    paragraphs: [
      { idx: 0, title: 'Hello Love (album)', paragraph_text: 'An album by Hank Snow.', is_supporting: true },
      { idx: 1, title: 'Hank Snow', paragraph_text: 'He died in Tennessee.', is_supporting: true },
    ],
    question: "In which state did the singer of The Night of Hello Love die, Hello Love's own performer?",
    question_decomposition: [
      { id: 1, question: 'the night of hello love >> performer', answer: 'Hank Snow', paragraph_support_idx: 0 },
      { id: 2, question: 'Where did #1 die and of what?', answer: 'Tennessee', paragraph_support_idx: 1 },
    ],
    answer: 'Tennessee',
    answer_aliases: [],
    answerable: true,
  }),
  'row',
);

test('by default a hop is searched for by the name of its page', () => {
  expect(planOf(row)?.hops.map(({ query }) => query)).toEqual(['Hello Love (album)', 'Hank Snow']);
});

test('a query from the question holds only words that were said, written as they were', () => {
  expect(planOf(row, 'question')?.hops.map(({ query }) => query)).toEqual([
    'Night of Hello Love performer',
    'Hank Snow die',
  ]);
});

test('a hop of which nothing was said leaves no plan', () => {
  const [first, ...rest] = row.question_decomposition;
  if (first === undefined) throw new Error('the row has no hop');
  const unsaid = { ...row, question_decomposition: [{ ...first, question: 'composer of it' }, ...rest] };
  expect(planOf(unsaid, 'question')).toBeUndefined();
});
