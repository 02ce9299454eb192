import type { Question } from '#proto/rollout/v1/task_pb.ts';
import { readMusique } from '../musique/read-musique.ts';
import { toQuestion } from '../musique/to-question.ts';
import { checkQuestion, readsSets, readsText, type CheckedStage } from '../rewards/check-question.ts';
import type { QuestionFormat } from './question-format.ts';
import { rowToQuestion } from './question-row.ts';
import { readRows } from './read-rows.ts';

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
      for await (const { row, place } of readRows(path, { format })) {
        const question = rowToQuestion(row, dropsEmptyAliases(stages));
        checkQuestion(question, stages, place);
        yield question;
      }
  }
}

/** An alias that only text scorers would trip over can go; an element of a set cannot. */
export function dropsEmptyAliases(stages: readonly CheckedStage[]): boolean {
  return readsText(stages) && !readsSets(stages);
}
