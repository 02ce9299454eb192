import type { SettingsOf } from '#rewards/scorer-catalogue.ts';
import { countWords, scoreBrevity, scoreLengthBudget } from '../scorers/length-shaping.ts';
import type { Episode } from '../scorers/scorer.ts';
import { count, quote, withoutPrediction, type Explained } from './explained.ts';

/** Scorers of how much was written. */

export function explainBrevity(episode: Episode, settings: SettingsOf<'brevity'>): Explained {
  const { prediction } = episode;
  if (prediction === undefined) return withoutPrediction(episode);
  const { free_words: free, max_words: most } = settings;
  const words = countWords(prediction, most);
  // Counting stops there.
  const said = words >= most ? `${most} words or more` : count(words, 'word');
  return {
    value: scoreBrevity(episode, settings),
    reasons: [
      `${quote(prediction)}: ${said}`,
      words === 0 ? 'an empty answer is 0' : `1 up to ${free} words, 0 from ${most}`,
    ],
  };
}

export function explainLengthBudget(episode: Episode, settings: SettingsOf<'length_budget'>): Explained {
  const { min_tokens: least, max_tokens: most, slack_tokens: slack } = settings;
  return {
    value: scoreLengthBudget(episode, settings),
    reasons: [ownTokens(episode), `1 from ${least} to ${most} of them, 0 from ${slack} outside`],
  };
}

function ownTokens({ tokens }: Episode): string {
  return tokens === undefined ? 'nobody counted tokens' : `${count(tokens.model, 'token')} of the policy's own`;
}
