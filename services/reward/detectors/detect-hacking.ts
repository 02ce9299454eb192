import { detectorNames, type DetectorName } from '#rewards/detector-names.ts';
import type { Episode } from '../scorers/scorer.ts';
import { detectCandidateList } from './candidate-list.ts';
import { detectCopiedPrompt } from './copied-prompt.ts';
import { detectEmptyAnswer } from './empty-answer.ts';
import { detectGiantAnswer } from './giant-answer.ts';
import { detectJudgeInjection } from './judge-injection.ts';
import { detectManyAnswers } from './many-answers.ts';

/** Pure, total, within 0..1, and in time linear in what the policy wrote. */
type Detector = (episode: Episode) => number;

/** A new one is a file next to these, a line here, and one in the list of names. */
export const detectorFunctions: Readonly<Record<DetectorName, Detector>> = {
  many_answers: detectManyAnswers,
  candidate_list: detectCandidateList,
  copied_prompt: detectCopiedPrompt,
  empty_answer: detectEmptyAnswer,
  giant_answer: detectGiantAnswer,
  judge_injection: detectJudgeInjection,
};

/** The detectors that fire, by name. */
export function detectHacking(episode: Episode): Partial<Record<DetectorName, number>> {
  const fired: Partial<Record<DetectorName, number>> = {};
  for (const name of detectorNames) {
    const value = detectorFunctions[name](episode);
    if (value > 0) fired[name] = value;
  }
  return fired;
}
