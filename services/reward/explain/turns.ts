import type { Turn } from '#proto/reward/v1/reward_pb.ts';
import { callOutcome } from '#rewards/call-outcome.ts';
import type { SettingsOf } from '#rewards/scorer-catalogue.ts';
import { scoreFormat, scoreToolSuccess } from '../scorers/plain-scorers.ts';
import { fetchedGold, foundGold, scoreGoldFetched, scoreGoldFound, type ReachedPages } from '../scorers/gold-pages.ts';
import type { Episode } from '../scorers/scorer.ts';
import { malformation } from '../scorers/well-formed.ts';
import { readXml, scoreXml } from '../scorers/xml.ts';
import { count, quote, ratio, withoutPrediction, type Explained } from './explained.ts';

/** Scorers that look at the turns one by one. */

export function explainToolSuccess(episode: Episode): Explained {
  const { turns } = episode;
  const attempts = turns.flatMap((turn, at) => {
    const outcome = callOutcome(turn);
    return outcome === undefined ? [] : [{ outcome, line: `turn ${at + 1}: ${describeCall(turn)}` }];
  });
  const succeeded = attempts.filter(({ outcome }) => outcome === 'succeeded').length;
  return {
    value: scoreToolSuccess(episode),
    reasons:
      attempts.length === 0
        ? ['no call was attempted']
        : [`${succeeded} of ${count(attempts.length, 'call')} succeeded`, ...attempts.map(({ line }) => line)],
  };
}

function describeCall({ action }: Turn): string {
  switch (action.case) {
    case 'toolCall': {
      const { name, succeeded, error } = action.value;
      return succeeded
        ? `${quote(name)} succeeded`
        : `${quote(name)} failed: ${error === '' ? 'no reason given' : quote(error)}`;
    }
    case 'violation':
      return `no call came of it: ${action.value.code}`;
    case 'answer':
    case undefined:
      return 'no call';
  }
}

export function explainFormat(episode: Episode): Explained {
  if (episode.prediction === undefined) return withoutPrediction(episode);
  return { value: scoreFormat(episode), reasons: wellFormedness(episode) };
}

/** How many turns are well-formed, and why the others are not. */
export function wellFormedness({ turns }: Episode): string[] {
  const bad = turns.flatMap((turn, at) => {
    const why = malformation(turn);
    return why === undefined ? [] : [`turn ${at + 1}: ${why}`];
  });
  return [`${turns.length - bad.length} of ${count(turns.length, 'turn')} are well-formed`, ...bad];
}

export function explainXml(episode: Episode): Explained {
  const { turns } = episode;
  return {
    value: scoreXml(episode),
    reasons:
      turns.length === 0
        ? ['there is no turn']
        : [
            `mean over ${count(turns.length, 'turn')}`,
            ...turns.map(({ text }, at) => {
              const reading = readXml(text);
              if (reading.kind === 'broken') return `turn ${at + 1}: 0, ${reading.problem}`;
              const { inside, all } = reading;
              return `turn ${at + 1}: ${ratio(inside / all)}, ${all - inside} of ${all} characters stand outside action elements`;
            }),
          ],
  };
}

export function explainGoldFetched(episode: Episode, settings: SettingsOf<'gold_fetched'>): Explained {
  return explainPages(fetchedGold(episode), 'fetched', scoreGoldFetched(episode, settings), settings.mode);
}

export function explainGoldFound(episode: Episode, settings: SettingsOf<'gold_found'>): Explained {
  return explainPages(foundGold(episode), 'found', scoreGoldFound(episode, settings), settings.mode);
}

function explainPages({ gold, reached }: ReachedPages, how: string, value: number, mode: string): Explained {
  const pages = [...gold].map((title) => {
    const turn = reached.get(title);
    return `${quote(title)}: ${turn === undefined ? `never ${how}` : `${how} by turn ${turn + 1}`}`;
  });
  return { value, reasons: [`${reached.size} of ${count(gold.size, 'gold page')} ${how} (mode ${mode})`, ...pages] };
}
