import type { Criterion, JudgedComponent } from '#proto/rollout/v1/judged_pb.ts';
import type { ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { rowFacts } from '#questions/row-facts.ts';
import { predictionOf } from '../score-item.ts';
import type { Absence } from './question.ts';
import type { Judge } from './judge.ts';
import { gradeAnswer, type Grade } from './questions/grade-answer.ts';
import { rateRubric } from './questions/rate-rubric.ts';

/** A judged number and where it comes from. */
export interface JudgedValue {
  readonly kind: 'value';
  /** 0..1. */
  readonly value: number;
  readonly replyId: string;
  readonly source: 'asked' | 'cache' | 'shared' | 'rule';
  readonly grade?: Grade;
  readonly criteria?: Readonly<Record<string, number>>;
}

/** One judged component of a checked item. An episode without an answer is not a failure, and the judge is not asked. */
export async function judgeComponent(
  item: ScoreItem,
  { method }: JudgedComponent,
  judge: Judge,
  signal: AbortSignal,
): Promise<JudgedValue | Absence> {
  const answer = predictionOf(item.turns);
  const { question, answers } = rowFacts(item.row);
  const input = {
    question,
    references: answers,
    answer: answer ?? '',
    maxCharacters: judge.settings.maxInputCharacters,
  };
  switch (method.case) {
    case 'grade': {
      const { notAttempted } = method.value;
      if (answer === undefined) return rule({ value: notAttempted, grade: 'not_attempted' });
      const judged = await judge.ask(gradeAnswer(input), signal);
      if (judged.kind === 'absent') return judged;
      const { value: grade, replyId, source } = judged;
      const value = { correct: 1, incorrect: 0, not_attempted: notAttempted }[grade];
      return { kind: 'value', value, replyId, source, grade };
    }
    case 'rubric': {
      const { criteria } = method.value;
      if (answer === undefined) return rule({ value: 0 });
      const judged = await judge.ask(rateRubric({ ...input, criteria }), signal);
      if (judged.kind === 'absent') return judged;
      const { value: ratings, replyId, source } = judged;
      return { kind: 'value', value: weightedMean(criteria, ratings), replyId, source, criteria: ratings };
    }
    case undefined:
      throw new TypeError('a judged component without a method has passed the check');
  }
}

function rule(value: { readonly value: number; readonly grade?: Grade }): JudgedValue {
  return { kind: 'value', replyId: '', source: 'rule', ...value };
}

function weightedMean(criteria: readonly Criterion[], ratings: Readonly<Record<string, number>>): number {
  // Weights near the largest number would add up to infinity.
  const largest = Math.max(...criteria.map(({ weight }) => weight));
  let sum = 0;
  let weights = 0;
  for (const { name, weight } of criteria) {
    const rating = ratings[name];
    if (rating === undefined) throw new TypeError(`criterion ${name} has no rating`);
    sum += (weight / largest) * rating;
    weights += weight / largest;
  }
  // Rounding may carry a mean of ones past 1.
  return Math.min(1, sum / weights);
}
