import { normalizeAnswer } from '#answer/normalize-answer.ts';
import { readMusique } from '#questions/musique/read-musique.ts';
import type { MuSiqueRow } from '#questions/musique/musique-row.ts';
import type { GradeAnswer } from '../script/judge-script.ts';
import { answerIn } from './grade-by-reference.ts';

/** What each answer of a question is worth, by its normalised form. */
export type HopWorths = ReadonlyMap<string, number>;

/** By the text of the question. Throws TerminalError that names file and line. */
export async function readHopWorths(files: readonly string[]): Promise<ReadonlyMap<string, HopWorths>> {
  const worths = new Map<string, HopWorths>();
  for (const file of files) {
    for await (const row of readMusique(file)) {
      const known = worths.get(row.question);
      worths.set(row.question, known === undefined ? worthsOf(row) : highest(known, worthsOf(row)));
    }
  }
  return worths;
}

/** The answer to hop i of k is worth i / k, the question's own answer and its aliases 1; of two values the higher counts. */
export function worthsOf(row: Pick<MuSiqueRow, 'answer' | 'answer_aliases' | 'question_decomposition'>): HopWorths {
  const steps = row.question_decomposition;
  return highest(
    new Map(steps.map(({ answer }, index) => [normalizeAnswer(answer), (index + 1) / steps.length])),
    new Map([row.answer, ...row.answer_aliases].map((answer) => [normalizeAnswer(answer), 1])),
  );
}

/** Graded answers: how far along its chain of facts the policy got. Questions that no file has are left to `otherwise`. */
export function gradeByHops(worths: ReadonlyMap<string, HopWorths>, otherwise: GradeAnswer): GradeAnswer {
  return (asked, text) => {
    const known = worths.get(asked.question);
    return known === undefined ? otherwise(asked, text) : (known.get(normalizeAnswer(answerIn(text))) ?? 0);
  };
}

function highest(...all: readonly HopWorths[]): HopWorths {
  const merged = new Map<string, number>();
  for (const [answer, worth] of all.flatMap((worths) => [...worths])) {
    // What normalises to nothing would match an empty answer.
    if (answer !== '') merged.set(answer, Math.max(worth, merged.get(answer) ?? 0));
  }
  return merged;
}
