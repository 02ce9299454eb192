import { defineScorer, z } from 'gradus/scorer';

/** Answers that took few tool calls: 1 up to `free_calls`, half of that with each further one; 0 without an answer. */
export default defineScorer({
  settings: z.strictObject({ free_calls: z.int().min(0).max(100).default(3) }),
  score({ prediction, turns }, { free_calls: freeCalls }) {
    if (prediction === null) return 0;
    const calls = turns.filter(({ action }) => action === 'tool_call').length;
    return 0.5 ** Math.max(0, calls - freeCalls);
  },
});
