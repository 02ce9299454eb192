import { create } from '@bufbuild/protobuf';
import { QuestionSchema, type Question } from '#proto/rollout/v1/task_pb.ts';
import { normalizeAnswer } from '../answer/normalize-answer.ts';
import { TerminalError } from '../errors.ts';
import type { MuSiqueRow } from './musique-row.ts';

/**
 * The row as tasks carry it. An alias that normalises to nothing is left out, for it would match an empty answer; an
 * answer that does is `TerminalError`, unless scorers read it that do not normalise it (`readAs: 'other'`): the letter of an
 * option.
 */
export function toQuestion(row: MuSiqueRow, readAs: 'text' | 'other' = 'text'): Question {
  if (readAs === 'text' && normalizeAnswer(row.answer) === '') {
    throw new TerminalError(
      'invalid_argument',
      `question ${row.id}: answer: ${JSON.stringify(row.answer)} is empty after normalisation: nothing could be compared with it`,
    );
  }
  const titles = new Map(row.paragraphs.map(({ idx, title }) => [idx, title]));
  const supports = row.question_decomposition.flatMap((step) => titles.get(step.paragraph_support_idx) ?? []);
  const aliases = row.answer_aliases.filter((alias) => readAs === 'other' || normalizeAnswer(alias) !== '');
  return create(QuestionSchema, {
    id: row.id,
    question: row.question,
    answers: [...new Set([row.answer, ...aliases])],
    supportTitles: [...new Set(supports)],
    hops: row.question_decomposition.length,
  });
}
