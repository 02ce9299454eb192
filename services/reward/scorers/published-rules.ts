import { hotpotqaScores } from '#answer/hotpotqa-scores.ts';
import type { SettingsOf } from '#rewards/scorer-catalogue.ts';
import type { Episode } from './scorer.ts';
import { isValidEpisode } from './well-formed.ts';

/** Rewards of published projects that no weighted sum can say. Each is described with its source in docs/rewards.md. */

/** Search-R1 v0.3: a table of "right" and "every turn well-formed"; without an answer 0. */
export function scoreAnswerStructure(episode: Episode, settings: SettingsOf<'answer_structure'>): number {
  return episode.prediction === undefined ? 0 : settings[answerStructureCell(episode)];
}

/** The cell of an episode with an answer. */
export function answerStructureCell(episode: Episode): 'valid_match' | 'invalid_match' | 'valid_miss' | 'invalid_miss' {
  return `${isValidEpisode(episode) ? 'valid' : 'invalid'}_${episode.answerScores.exactMatch === 1 ? 'match' : 'miss'}`;
}

/** ReCall: F1 with HotpotQA's rule, or the floor where it is 0; an episode that breaks the format gets 0. */
export function scoreF1Floor(episode: Episode, { floor }: SettingsOf<'f1_floor'>): number {
  if (episode.prediction === undefined || !isValidEpisode(episode)) return 0;
  const { f1 } = hotpotqaScores(episode.prediction, episode.answers);
  return f1 > 0 ? f1 : floor;
}

/**
 * RL-Factory's rule for search, with s = format_score and f = (answer tags right: s, else -s) + (too many calls: -s):
 * right 1 + f/2, wrong f, no answer -s + f/2. Its range -2s .. 1 + s/2 is moved and scaled to 0..1, which leaves the
 * advantages of a group as they are up to a factor.
 */
export function scoreRlFactory(episode: Episode, settings: SettingsOf<'rl_factory'>): number {
  const { format_score: size } = settings;
  return clamp((rlFactoryRule(episode, settings).value + 2 * size) / (1 + 2.5 * size));
}

/** The rule's own value, -2s .. 1 + s/2, and what it is made of. */
export function rlFactoryRule(
  { turns, prediction, answerScores }: Episode,
  { format_score: size, free_calls: freeCalls }: SettingsOf<'rl_factory'>,
): { readonly calls: number; readonly format: number; readonly value: number } {
  const calls = turns.filter(({ action }) => action.case === 'toolCall').length;
  const answerTags = prediction === undefined ? -size : size;
  const format = answerTags - (calls > freeCalls ? size : 0);
  const value = prediction === undefined ? -size + format / 2 : answerScores.exactMatch === 1 ? 1 + format / 2 : format;
  return { calls, format, value };
}

/** ReZero: base + step per search, up to `most` of them; nothing without a search or without an answer. */
export function scoreRetry({ turns, prediction }: Episode, settings: SettingsOf<'retry'>): number {
  if (prediction === undefined) return 0;
  const searches = countSearches(turns);
  if (searches === 0) return 0;
  return clamp(settings.base + settings.step * Math.min(searches, settings.most));
}

export function countSearches(turns: Episode['turns']): number {
  return turns.filter(({ action }) => action.case === 'toolCall' && action.value.name === 'websearch').length;
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
