import { TerminalError } from '#platform/errors.ts';
import { goldProblem, scorersOfGold, type AskedScorer, type Gold } from './gold-problem.ts';
import { goldKindOf, type GoldKind } from './scorer-catalogue.ts';

/** What the check of gold needs of a stage. */
export interface CheckedStage {
  readonly name: string;
  readonly scorers: readonly AskedScorer[];
  /** How the date scorer reads 05/03/1990. */
  readonly dayFirst?: boolean | undefined;
}

/** Whether any stage compares answers as normalised text. */
export function readsText(stages: readonly CheckedStage[]): boolean {
  return readsKind(stages, ['text', 'set']);
}

/** Whether any stage takes every answer for an element of a set. */
export function readsSets(stages: readonly CheckedStage[]): boolean {
  return readsKind(stages, ['set']);
}

function readsKind(stages: readonly CheckedStage[], kinds: readonly GoldKind[]): boolean {
  return stages.some(({ scorers }) => scorersOfGold(scorers).some((scorer) => kinds.includes(goldKindOf(scorer))));
}

/**
 * Throws when a scorer of a stage cannot read a gold value of the question: before anything is generated for it. `place` is
 * the file, and the line where it is known.
 */
export function checkQuestion(
  question: Gold & { readonly id: string },
  stages: readonly CheckedStage[],
  place: string,
  selfScored = false,
): void {
  for (const { name, scorers, dayFirst } of stages) {
    for (const scorer of scorersOfGold(scorers, selfScored)) {
      const problem = goldProblem(scorer, question, dayFirst);
      if (problem === undefined) continue;
      throw new TerminalError(
        'invalid_argument',
        `${place}: question ${question.id}: ${problem.field}: ${problem.message} (stage ${name} scores by ${scorer})`,
        { details: { place, question: question.id, field: problem.field } },
      );
    }
  }
}
