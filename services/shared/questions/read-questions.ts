import type { Question } from '#proto/rollout/v1/task_pb.ts';
import { TerminalError } from '../errors.ts';
import { readMusique } from '../musique/read-musique.ts';
import { toQuestion } from '../musique/to-question.ts';
import { checkQuestion, readsSets, readsText, type CheckedStage } from '../rewards/check-question.ts';
import type { QuestionFormat } from './question-format.ts';
import { rowToQuestion } from './question-row.ts';
import { readRows, type PlacedRow } from './read-rows.ts';

/**
 * The questions of a prepared file, as tasks carry them. Throws TerminalError that begins with file and line where a row is
 * malformed, or where a scorer of a stage cannot read its gold.
 */
export async function* readQuestions(
  path: string,
  format: QuestionFormat,
  stages: readonly CheckedStage[],
): AsyncGenerator<Question, void, undefined> {
  switch (format) {
    case 'musique': {
      const readAs = readsText(stages) ? 'text' : 'other';
      for await (const row of readMusique(path)) {
        const question = toQuestion(row, readAs);
        checkQuestion(question, stages, path);
        yield question;
      }
      return;
    }
    case 'gradus':
      for await (const placed of readRows(path, { format })) yield checkedQuestion(placed, stages);
  }
}

/** The question of a row. Throws TerminalError that begins with its place where a scorer of a stage cannot read its gold. */
export function checkedQuestion({ row, place }: PlacedRow, stages: readonly CheckedStage[]): Question {
  if (row.aliases > 0 && readsSets(stages)) {
    throw new TerminalError(
      'invalid_argument',
      `${place}: aliases: ${row.aliases} beside the answer, and set_f1 takes each answer for an element of the set; keep the elements only`,
    );
  }
  const question = rowToQuestion(row, dropsEmptyAliases(stages));
  checkQuestion(question, stages, place);
  return question;
}

/** An alias that only text scorers would trip over can go; an element of a set cannot. */
function dropsEmptyAliases(stages: readonly CheckedStage[]): boolean {
  return readsText(stages) && !readsSets(stages);
}
