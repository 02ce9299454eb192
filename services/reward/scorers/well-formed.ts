import type { Turn } from '#proto/reward/v1/reward_pb.ts';
import type { Episode } from './scorer.ts';

/** A tool call or an answer, not cut by a limit. What came of the call does not matter. */
export function isWellFormed({ action, truncated }: Pick<Turn, 'action' | 'truncated'>): boolean {
  return !truncated && (action.case === 'toolCall' || action.case === 'answer');
}

/** Every turn is well-formed and the last one is the only answer. */
export function isValidEpisode({ turns, prediction }: Episode): boolean {
  return prediction !== undefined && turns.every(isWellFormed);
}
