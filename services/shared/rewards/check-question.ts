import { TerminalError } from '../errors.ts';
import { goldProblem, scorersOfGold, type Gold } from './gold-problem.ts';
import { goldKindOf, type GoldKind } from './scorer-catalogue.ts';
import { rewardList } from './reward-list.ts';

/** What the check of gold needs of a stage. */
export interface CheckedStage {
  readonly name: string;
  readonly rewards: Readonly<Record<string, unknown>> & {
    readonly date?: { readonly day_first?: boolean | undefined } | undefined;
  };
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
  return stages.some(({ rewards }) =>
    scorersOfGold(rewardList(rewards)).some((scorer) => kinds.includes(goldKindOf(scorer))),
  );
}

/**
 * Throws when a scorer of a stage cannot read a gold value of the question: before anything is generated for it. `place` is
 * the file, and the line where it is known.
 */
export function checkQuestion(
  question: Gold & { readonly id: string },
  stages: readonly CheckedStage[],
  place: string,
): void {
  for (const { name, rewards } of stages) {
    for (const scorer of scorersOfGold(rewardList(rewards))) {
      const problem = goldProblem(scorer, question, rewards.date?.day_first);
      if (problem === undefined) continue;
      throw new TerminalError(
        'invalid_argument',
        `${place}: question ${question.id}: ${problem.field}: ${problem.message} (stage ${name} scores by ${scorer})`,
        { details: { place, question: question.id, field: problem.field } },
      );
    }
  }
}
