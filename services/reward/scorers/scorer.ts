import type { TokenCounts, Turn } from '#proto/reward/v1/reward_pb.ts';
import type { AnswerScores } from '#answer/answer-scores.ts';

/** What a scorer sees of a finished episode. */
export interface Episode {
  /** The answer and its aliases; checked: at least one, and each is one that the weighted scorers can read. */
  readonly answers: readonly string[];
  readonly turns: readonly Turn[];
  /** What was asked; empty when nobody said. */
  readonly question: string;
  /** Text of the one answer that ended the episode; undefined when it did not end so. */
  readonly prediction: string | undefined;
  /** Of the prediction; 0 when there is none, or nothing is left of it. Kept here, since several scorers ask. */
  readonly answerScores: AnswerScores;
  /** Titles of the pages that hold the facts; checked where a scorer reads them. */
  readonly supportTitles: readonly string[];
  /** Undefined when nobody counted; checked where a scorer reads them. */
  readonly tokens: Pick<TokenCounts, 'prompt' | 'model' | 'environment'> | undefined;
}

/** Pure, total, and within 0..1 for whatever the policy wrote. */
export type Scorer = (episode: Episode) => number;
