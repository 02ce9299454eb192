/** Detectors of reward hacking: a value within 0..1 for every rollout, read by penalties and gates, and no part of the weighted sum. */
export const detectorNames = [
  'many_answers',
  'candidate_list',
  'copied_prompt',
  'empty_answer',
  'giant_answer',
] as const;
export type DetectorName = (typeof detectorNames)[number];
