import { TerminalError } from '../errors.ts';
import { goldProblem, scorersOfGold, type Gold } from './gold-problem.ts';
import { goldKindOf } from './scorer-catalogue.ts';
import { rewardList } from './reward-list.ts';

interface Stage {
  readonly name: string;
  readonly rewards: Readonly<Record<string, unknown>> & {
    readonly date?: { readonly day_first?: boolean | undefined } | undefined;
  };
}

/** Whether any stage compares answers as normalised text. */
export function readsText(stages: readonly Stage[]): boolean {
  return stages.some(({ rewards }) =>
    scorersOfGold(rewardList(rewards)).some((scorer) => ['text', 'set'].includes(goldKindOf(scorer))),
  );
}

/** Throws when a scorer of a stage cannot read a gold value of the question: before anything is generated for it. */
export function checkQuestion(question: Gold & { readonly id: string }, stages: readonly Stage[], file: string): void {
  for (const { name, rewards } of stages) {
    for (const scorer of scorersOfGold(rewardList(rewards))) {
      const problem = goldProblem(scorer, question, rewards.date?.day_first);
      if (problem === undefined) continue;
      throw new TerminalError(
        'invalid_argument',
        `${file}: question ${question.id}: ${problem.field}: ${problem.message} (stage ${name} scores by ${scorer})`,
        { details: { file, question: question.id, field: problem.field } },
      );
    }
  }
}
