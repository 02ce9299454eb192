import type { Turn } from '#proto/reward/v1/reward_pb.ts';
import type { Episode } from './scorer.ts';

type ReadTurn = Pick<Turn, 'action' | 'truncated'>;

/** A tool call or an answer, not cut by a limit. What came of the call does not matter. */
export function isWellFormed(turn: ReadTurn): boolean {
  return malformation(turn) === undefined;
}

/** Why a turn is not well-formed; undefined for one that is. */
export function malformation({ action, truncated }: ReadTurn): string | undefined {
  if (truncated) return 'cut by a token limit';
  switch (action.case) {
    case 'toolCall':
    case 'answer':
      return undefined;
    case 'violation':
      return action.value.code;
    case undefined:
      return 'no action';
  }
}

/** Every turn is well-formed and the last one is the only answer. */
export function isValidEpisode({ turns, prediction }: Episode): boolean {
  return prediction !== undefined && turns.every(isWellFormed);
}
