import { create } from '@bufbuild/protobuf';
import { ScoreItemSchema, type ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { scorerNames } from '#shared/rewards/scorer-catalogue.ts';
import { countTokens } from '#shared/trajectory/segments.ts';
import type { ParsedTask } from '../episode/parse-task.ts';
import type { EpisodeRecord } from '../episode/run-episode.ts';

/** What the reward service is asked about a finished episode. */
export function scoreItemOf({ task, question }: ParsedTask, record: EpisodeRecord): ScoreItem {
  return create(ScoreItemSchema, {
    id: task.taskId,
    answers: question.answers,
    turns: [...record.turns],
    rewards: task.rewards,
    supportTitles: question.supportTitles,
    tokens: countTokens(record.segments),
    question: question.question,
    judged: task.judged,
    ...(task.composition !== undefined && { composition: task.composition }),
  });
}

const builtIn: ReadonlySet<string> = new Set(scorerNames);

/** Whether rules alone score an item, in microseconds; judges and custom scorers take what they take. */
export function scoredByRule({ judged, rewards }: Pick<ScoreItem, 'judged' | 'rewards'>): boolean {
  return judged.length === 0 && rewards.every(({ name }) => builtIn.has(name));
}
