import type { SettingsOf } from '#rewards/scorer-catalogue.ts';
import {
  answerStructureCell,
  countSearches,
  rlFactoryRule,
  scoreAnswerStructure,
  scoreF1Floor,
  scoreRetry,
  scoreRlFactory,
} from '../scorers/published-rules.ts';
import type { Episode } from '../scorers/scorer.ts';
import { isValidEpisode } from '../scorers/well-formed.ts';
import { count, ratio, withoutPrediction, type Explained } from './explained.ts';
import { explainExactMatch, explainHotpotqaF1 } from './texts.ts';
import { wellFormedness } from './turns.ts';

/** Rewards of published projects: which case of their rule it was. */

export function explainAnswerStructure(episode: Episode, settings: SettingsOf<'answer_structure'>): Explained {
  if (episode.prediction === undefined) return withoutPrediction(episode);
  const cell = answerStructureCell(episode);
  return {
    value: scoreAnswerStructure(episode, settings),
    reasons: [`${cell}: ${settings[cell]}`, ...explainExactMatch(episode).reasons, ...wellFormedness(episode)],
  };
}

export function explainF1Floor(episode: Episode, settings: SettingsOf<'f1_floor'>): Explained {
  if (episode.prediction === undefined) return withoutPrediction(episode);
  const value = scoreF1Floor(episode, settings);
  if (!isValidEpisode(episode))
    return { value, reasons: ['0 unless every turn is well-formed', ...wellFormedness(episode)] };
  const f1 = explainHotpotqaF1(episode);
  const which = f1.value > 0 ? `hotpotqa_f1 ${ratio(f1.value)}` : `hotpotqa_f1 is 0, so the floor ${settings.floor}`;
  return { value, reasons: [which, ...f1.reasons] };
}

export function explainRlFactory(episode: Episode, settings: SettingsOf<'rl_factory'>): Explained {
  const { calls, format, value } = rlFactoryRule(episode, settings);
  const { format_score: size, free_calls: free } = settings;
  const tags = episode.prediction === undefined ? 'no prediction' : 'a prediction';
  const cost = calls > free ? `costs ${size}` : 'costs nothing';
  const formula =
    episode.prediction === undefined
      ? `no prediction: -${size} + f/2`
      : episode.answerScores.exactMatch === 1
        ? 'right: 1 + f/2'
        : 'wrong: f';
  return {
    value: scoreRlFactory(episode, settings),
    reasons: [
      `f = ${ratio(format)}: ${tags}, and ${count(calls, 'call')} of ${free} free ones ${cost}`,
      `${formula} = ${ratio(value)}`,
      `moved and scaled from ${ratio(-2 * size)} .. ${ratio(1 + size / 2)} to 0..1`,
      ...(episode.prediction === undefined ? withoutPrediction(episode) : explainExactMatch(episode)).reasons,
    ],
  };
}

export function explainRetry(episode: Episode, settings: SettingsOf<'retry'>): Explained {
  if (episode.prediction === undefined) return withoutPrediction(episode);
  const searches = countSearches(episode.turns);
  const { base, step, most } = settings;
  return {
    value: scoreRetry(episode, settings),
    reasons: [
      `${count(searches, 'search')}${searches > most ? `, of which ${most} count` : ''}`,
      searches === 0 ? '0 without a search' : `${base} + ${step} x ${Math.min(searches, most)}`,
    ],
  };
}
