import type { PlainScorer, SettableScorer, SettingsOf } from '#rewards/scorer-catalogue.ts';
import {
  scoreChoice,
  scoreDate,
  scoreHotpotqaF1,
  scoreIou,
  scoreNumeric,
  scoreSetF1,
  scoreSubstring,
} from './answer-forms.ts';
import { scoreExactMatch, scoreF1, scoreFormat, scoreToolSuccess } from './plain-scorers.ts';
import { scoreGoldFetched, scoreGoldFound } from './gold-pages.ts';
import { scoreBrevity, scoreLengthBudget } from './length-shaping.ts';
import { scoreAnswerStructure, scoreF1Floor, scoreRetry, scoreRlFactory } from './published-rules.ts';
import type { Episode, Scorer } from './scorer.ts';
import { scoreXml } from './xml.ts';

/** Scorers without settings. */
export const plainScorerFunctions: Readonly<Record<PlainScorer, Scorer>> = {
  exact_match: scoreExactMatch,
  f1: scoreF1,
  tool_success: scoreToolSuccess,
  format: scoreFormat,
  xml: scoreXml,
};

/** Scorers with settings. A new one is a file next to these, a line here and one in the catalogue. */
export const settableScorerFunctions: {
  readonly [Name in SettableScorer]: (episode: Episode, settings: SettingsOf<Name>) => number;
} = {
  substring: scoreSubstring,
  hotpotqa_f1: scoreHotpotqaF1,
  f1_floor: scoreF1Floor,
  answer_structure: scoreAnswerStructure,
  rl_factory: scoreRlFactory,
  numeric: scoreNumeric,
  choice: scoreChoice,
  date: scoreDate,
  iou: scoreIou,
  set_f1: scoreSetF1,
  gold_fetched: scoreGoldFetched,
  gold_found: scoreGoldFound,
  retry: scoreRetry,
  brevity: scoreBrevity,
  length_budget: scoreLengthBudget,
};
