import type { DetectorName } from '#rewards/detector-names.ts';
import type { PlainScorer, SettableScorer, SettingsOf } from '#rewards/scorer-catalogue.ts';
import type { Episode } from '../scorers/scorer.ts';
import type { Explained } from './explained.ts';
import {
  explainCandidateList,
  explainCopiedPrompt,
  explainEmptyAnswer,
  explainGiantAnswer,
  explainJudgeInjection,
  explainManyAnswers,
} from './detectors.ts';
import { explainBrevity, explainLengthBudget } from './lengths.ts';
import { explainAnswerStructure, explainF1Floor, explainRetry, explainRlFactory } from './rules.ts';
import { explainExactMatch, explainF1, explainHotpotqaF1, explainSubstring } from './texts.ts';
import { explainFormat, explainGoldFetched, explainGoldFound, explainToolSuccess, explainXml } from './turns.ts';
import { explainChoice, explainDate, explainIou, explainNumeric, explainSetF1 } from './values.ts';

/** Next to `scorers/registry.ts`: a scorer without an explanation does not compile. */
export const plainExplainers: Readonly<Record<PlainScorer, (episode: Episode) => Explained>> = {
  exact_match: explainExactMatch,
  f1: explainF1,
  tool_success: explainToolSuccess,
  format: explainFormat,
  xml: explainXml,
};

export const settableExplainers: {
  readonly [Name in SettableScorer]: (episode: Episode, settings: SettingsOf<Name>) => Explained;
} = {
  substring: explainSubstring,
  hotpotqa_f1: explainHotpotqaF1,
  f1_floor: explainF1Floor,
  answer_structure: explainAnswerStructure,
  rl_factory: explainRlFactory,
  numeric: explainNumeric,
  choice: explainChoice,
  date: explainDate,
  iou: explainIou,
  set_f1: explainSetF1,
  gold_fetched: explainGoldFetched,
  gold_found: explainGoldFound,
  retry: explainRetry,
  brevity: explainBrevity,
  length_budget: explainLengthBudget,
};

export const detectorExplainers: Readonly<Record<DetectorName, (episode: Episode) => Explained>> = {
  many_answers: explainManyAnswers,
  candidate_list: explainCandidateList,
  copied_prompt: explainCopiedPrompt,
  empty_answer: explainEmptyAnswer,
  giant_answer: explainGiantAnswer,
  judge_injection: explainJudgeInjection,
};
