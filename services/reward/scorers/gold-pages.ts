import type { ToolCall } from '#proto/reward/v1/reward_pb.ts';
import { parseJsonAt } from '#platform/files/parse-json.ts';
import type { SettingsOf } from '#rewards/scorer-catalogue.ts';
import type { Episode } from './scorer.ts';

/** The tool that shows one whole page; the others list some. */
const fetchTool = 'scrape';

/** Gold pages that were fetched. Needs no answer: it pays for the way, whatever came of it. */
export function scoreGoldFetched(episode: Episode, { mode }: SettingsOf<'gold_fetched'>): number {
  return shareOf(fetchedGold(episode), mode);
}

/** Gold pages that came in results or were fetched. */
export function scoreGoldFound(episode: Episode, { mode }: SettingsOf<'gold_found'>): number {
  return shareOf(foundGold(episode), mode);
}

export interface ReachedPages {
  /** Titles as they are compared. */
  readonly gold: ReadonlySet<string>;
  /** By title: the turn, from 0, that reached it first. */
  readonly reached: ReadonlyMap<string, number>;
}

export function fetchedGold(episode: Episode): ReachedPages {
  return reachedPages(episode, (tool) => tool === fetchTool);
}

export function foundGold(episode: Episode): ReachedPages {
  return reachedPages(episode, () => true);
}

function reachedPages({ turns, supportTitles }: Episode, counts: (tool: string) => boolean): ReachedPages {
  const gold = new Set(supportTitles.map(titleKey));
  gold.delete('');
  const reached = new Map<string, number>();
  for (const [turn, { action }] of turns.entries()) {
    if (action.case !== 'toolCall' || !counts(action.value.name)) continue;
    for (const title of pageTitles(action.value)) {
      const key = titleKey(title);
      if (gold.has(key) && !reached.has(key)) reached.set(key, turn);
    }
  }
  return { gold, reached };
}

function shareOf({ gold, reached }: ReachedPages, mode: SettingsOf<'gold_found'>['mode']): number {
  if (gold.size === 0) return 0;
  switch (mode) {
    case 'share':
      return reached.size / gold.size;
    case 'any':
      return reached.size > 0 ? 1 : 0;
    case 'all':
      return reached.size === gold.size ? 1 : 0;
  }
}

/** Titles of the pages that a call brought, as `search` records them. */
function pageTitles({ factsJson }: Pick<ToolCall, 'factsJson'>): readonly string[] {
  if (factsJson === '') return [];
  const { page_titles: titles } = Object(parseJsonAt(factsJson, 'facts_json')) as { readonly page_titles?: unknown };
  return Array.isArray(titles) ? titles.map(String) : [];
}

function titleKey(title: string): string {
  return title.trim().toLowerCase();
}
