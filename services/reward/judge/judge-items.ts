import type { MessageInitShape } from '@bufbuild/protobuf';
import type { JudgementSchema, ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import type { Absence } from './question.ts';
import { judgeComponent, type JudgedValue } from './judge-item.ts';
import type { Judge } from './judge.ts';
import type { Judges } from './judges.ts';

/** The judged components of one item, by name. */
export type JudgedScores = ReadonlyMap<string, JudgedValue | Absence>;

/** How many questions the items have for each judge. */
export function questionsOf(items: readonly ScoreItem[], judges: Judges): Map<Judge, number> {
  const questions = new Map<Judge, number>();
  for (const { judged } of items) {
    for (const component of judged) {
      const judge = judges.get(component.judge, 'judge');
      questions.set(judge, (questions.get(judge) ?? 0) + 1);
    }
  }
  return questions;
}

/**
 * One map per item, in their order. The judges' slots bound the calls, so all items may wait at once. `onDone` hears of each
 * question. Throws `CancelledError` when `signal` aborts.
 */
export async function judgeItems(
  items: readonly ScoreItem[],
  judges: Judges,
  onDone: (judge: Judge) => void,
  signal: AbortSignal,
): Promise<JudgedScores[]> {
  if (items.every(({ judged }) => judged.length === 0)) return items.map(() => new Map());
  return await mapConcurrent(
    items,
    items.length,
    async (item) => {
      const outcomes = await mapConcurrent(item.judged, item.judged.length || 1, async (component) => {
        const judge = judges.get(component.judge, 'judge');
        const outcome = await judgeComponent(item, component, judge, signal);
        onDone(judge);
        return [component.name, outcome] as const;
      });
      return new Map(outcomes);
    },
    signal,
  );
}

/** Where a judged number comes from. */
export function judgementToProto(judged: JudgedValue): MessageInitShape<typeof JudgementSchema> {
  const { replyId, source, grade, criteria } = judged;
  return { replyId, source, ...(grade !== undefined && { grade }), ...(criteria !== undefined && { criteria }) };
}
