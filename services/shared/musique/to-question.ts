import { create } from '@bufbuild/protobuf';
import { QuestionSchema, type Question } from '#proto/rollout/v1/task_pb.ts';
import { normalizeAnswer } from '../answer/normalize-answer.ts';
import { TerminalError } from '../errors.ts';
import type { MuSiqueRow } from './musique-row.ts';

/**
 * The row as tasks carry it. An alias that normalises to nothing is left out, for it would match an empty answer; an
 * answer that does is `TerminalError`.
 */
export function toQuestion(row: MuSiqueRow): Question {
  if (normalizeAnswer(row.answer) === '') {
    throw new TerminalError(
      'invalid_argument',
      `question ${row.id}: answer: ${JSON.stringify(row.answer)} is empty after normalisation: nothing could be compared with it`,
    );
  }
  const aliases = row.answer_aliases.filter((alias) => normalizeAnswer(alias) !== '');
  return create(QuestionSchema, {
    id: row.id,
    question: row.question,
    answers: [...new Set([row.answer, ...aliases])],
    hops: row.question_decomposition.length,
  });
}
