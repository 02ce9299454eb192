import { z } from 'zod';

const answer = z.union([z.string(), z.number()], 'must be text or a number');

/** Fields of a row's gold that scorers of answers read. */
export const answerFields = {
  answers: z.array(answer).min(1).optional().describe('The answer and its aliases, or the elements of a set.'),
  answer: answer.optional().describe('In the place of `answers`: the answer.'),
  aliases: z.array(answer).optional().describe('Next to `answer`: what means the same.'),
};
