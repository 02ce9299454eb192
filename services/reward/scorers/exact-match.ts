import { exactMatch } from '#shared/answer/exact-match.ts';
import type { Episode } from './scorer.ts';

/** 1 when the prediction equals an answer or alias after the official normalisation; a missing answer scores 0. */
export function scoreExactMatch({ prediction, answers }: Episode): number {
  return prediction === undefined ? 0 : exactMatch(prediction, answers);
}
