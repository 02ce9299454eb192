/**
 * Detectors of reward hacking, each with a line for people: a value within 0..1 for every rollout, read by penalties and gates,
 * and no part of the weighted sum. The labels of metrics come from here. The functions are the reward service's.
 */
export const detectors = {
  many_answers: 'Several answers, in one turn or over several.',
  candidate_list: 'The answer names more candidates than the gold answer has parts.',
  copied_prompt: 'The answer repeats the question.',
  empty_answer: 'An answer with nothing in it, or a word for nothing.',
  giant_answer: 'An answer much longer than the gold one: a pasted page.',
  judge_injection: 'The answer speaks to a judge: verdicts, claims to be correct, instructions, chat markers.',
} as const satisfies Record<string, string>;

export type DetectorName = keyof typeof detectors;
export const detectorNames = Object.keys(detectors).filter((name): name is DetectorName => name in detectors);

export function isDetector(name: string): name is DetectorName {
  return Object.hasOwn(detectors, name);
}
