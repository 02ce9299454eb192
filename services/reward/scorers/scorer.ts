import type { Turn } from '#proto/reward/v1/reward_pb.ts';

/** What a scorer sees of a finished episode. */
export interface Episode {
  /** The answer and its aliases; checked: at least one, none normalises to nothing. */
  readonly answers: readonly string[];
  readonly turns: readonly Turn[];
  /** Text of the one answer that ended the episode; undefined when it did not end so. */
  readonly prediction: string | undefined;
}

/** Pure, total, and within 0..1 for whatever the policy wrote. */
export type Scorer = (episode: Episode) => number;
