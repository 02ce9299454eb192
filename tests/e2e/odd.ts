import { defineScorer, z } from 'gradus/scorer';

/** A reward that varies with whatever is written, for policies that know nothing. */
export default defineScorer({
  settings: z.strictObject({}),
  score: ({ turns }) => (turns.map(({ text }) => text).join('').length % 7) / 6,
});
