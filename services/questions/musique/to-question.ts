import { normalizeAnswer } from '#answer/normalize-answer.ts';
import { TerminalError } from '#platform/errors.ts';
import type { QuestionRow } from '../question-row.ts';
import type { MuSiqueRow } from './musique-row.ts';

/**
 * The question of a row. An alias that normalises to nothing is left out, for it would match an empty answer; an
 * answer that does is `TerminalError`, unless scorers read it that do not normalise it (`readAs: 'other'`): the letter of an
 * option.
 */
export function musiqueQuestion(row: MuSiqueRow, readAs: 'text' | 'other' = 'text'): QuestionRow {
  if (readAs === 'text' && normalizeAnswer(row.answer) === '') {
    throw new TerminalError(
      'invalid_argument',
      `question ${row.id}: answer: ${JSON.stringify(row.answer)} is empty after normalisation: nothing could be compared with it`,
    );
  }
  const titles = new Map(row.paragraphs.map(({ idx, title }) => [idx, title]));
  const supports = row.question_decomposition.flatMap((step) => titles.get(step.paragraph_support_idx) ?? []);
  const aliases = row.answer_aliases.filter((alias) => readAs === 'other' || normalizeAnswer(alias) !== '');
  return {
    id: row.id,
    question: row.question,
    answers: [...new Set([row.answer, ...aliases])],
    supportTitles: [...new Set(supports)],
    hops: row.question_decomposition.length,
  };
}
