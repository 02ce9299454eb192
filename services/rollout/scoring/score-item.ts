import { create } from '@bufbuild/protobuf';
import { ScoreItemSchema, type ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { scorerNames } from '#rewards/scorer-catalogue.ts';
import { countTokens } from '#trajectory/segments.ts';
import type { ParsedTask } from '../episode/parse-task.ts';
import type { EpisodeRecord } from '../episode/run-episode.ts';

/** What the reward service is asked about a finished episode. */
export function scoreItemOf({ task }: ParsedTask, record: EpisodeRecord): ScoreItem {
  return create(ScoreItemSchema, {
    id: task.taskId,
    ...(task.row !== undefined && { row: task.row }),
    turns: [...record.turns],
    given: record.rewards,
    scorers: task.scorers,
    tokens: countTokens(record.segments),
    judged: task.judged,
  });
}

const builtIn: ReadonlySet<string> = new Set(scorerNames);

/** Whether rules alone score an item, in microseconds; judges and custom scorers take what they take. */
export function scoredByRule({ judged, scorers }: Pick<ScoreItem, 'judged' | 'scorers'>): boolean {
  return judged.length === 0 && scorers.every(({ name }) => builtIn.has(name));
}
