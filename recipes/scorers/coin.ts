import { createHash } from 'node:crypto';
import { defineScorer } from 'gradus/scorer';

/** A fair coin, tossed by the rollout's id: the same when it is scored again, and about nothing. A control: what is learned from it is no effect of a reward. */
export default defineScorer({
  score({ id }) {
    return (createHash('sha256').update(id).digest()[0] ?? 0) % 2;
  },
});
