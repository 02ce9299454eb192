import type { SettingsOf } from '#shared/rewards/scorer-catalogue.ts';
import type { Episode } from './scorer.ts';

/** The tool that shows one whole page; the others list some. */
const fetchTool = 'scrape';

/** Gold pages that were fetched. Needs no answer: it pays for the way, whatever came of it. */
export function scoreGoldFetched(episode: Episode, { mode }: SettingsOf<'gold_fetched'>): number {
  return reached(episode, mode, (tool) => tool === fetchTool);
}

/** Gold pages that came in results or were fetched. */
export function scoreGoldFound(episode: Episode, { mode }: SettingsOf<'gold_found'>): number {
  return reached(episode, mode, () => true);
}

function reached(
  { turns, supportTitles }: Episode,
  mode: SettingsOf<'gold_found'>['mode'],
  counts: (tool: string) => boolean,
): number {
  const gold = new Set(supportTitles.map(titleKey));
  gold.delete('');
  if (gold.size === 0) return 0;
  const seen = new Set<string>();
  for (const { action } of turns) {
    if (action.case !== 'toolCall' || !counts(action.value.name)) continue;
    for (const title of action.value.pageTitles) {
      const key = titleKey(title);
      if (gold.has(key)) seen.add(key);
    }
  }
  switch (mode) {
    case 'share':
      return seen.size / gold.size;
    case 'any':
      return seen.size > 0 ? 1 : 0;
    case 'all':
      return seen.size === gold.size ? 1 : 0;
  }
}

function titleKey(title: string): string {
  return title.trim().toLowerCase();
}
