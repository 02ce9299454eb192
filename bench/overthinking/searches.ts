import { z } from 'zod';
import type { ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import type { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import type { GrpcClient } from '#platform/grpc/client.ts';
import { rowFacts } from '#questions/row-facts.ts';
import { filtersOf } from './filter-words.ts';

/** How the searches of one rollout were narrowed. */
export interface NarrowedSearches {
  readonly searches: number;
  /** Searches with words that only narrow them. */
  readonly filtered: number;
  /** Of those, searches without a page that holds a fact among their hits, where the same search without the filters has one. */
  readonly excluding: number;
}

const queryOf = z.looseObject({ query: z.string().optional(), q: z.string().optional() });

/**
 * Searches the corpus again for each query with filters, with and without them; `topK` is how many hits the policy saw. Without a retrieval
 * service, as with tools of others, nobody knows what was excluded, and filters alone are counted.
 */
export async function narrowedSearches(
  item: ScoreItem,
  client: Pick<GrpcClient<typeof RetrievalService>, 'search'> | undefined,
  topK: number,
): Promise<NarrowedSearches> {
  const { question, supportTitles } = rowFacts(item.row);
  const queries = item.turns.flatMap(({ action }) => {
    if (action.case !== 'toolCall') return [];
    const { query, q } = queryOf.parse(JSON.parse(action.value.argumentsJson || '{}'));
    return query ?? q ?? [];
  });
  const narrowed = queries
    .map((query) => ({ query, ...filtersOf(query, question) }))
    .filter(({ filters, bare }) => filters.length > 0 && bare !== '');
  const all = { searches: queries.length, filtered: narrowed.length };
  if (client === undefined || narrowed.length === 0 || supportTitles.length === 0) return { ...all, excluding: 0 };
  const { results } = await client.search({ queries: narrowed.flatMap(({ query, bare }) => [query, bare]), topK });
  const gold = new Set(supportTitles);
  const hasGold = results.map(({ hits }) => hits.some(({ title }) => gold.has(title)));
  const excluding = narrowed.filter((_query, at) => hasGold[2 * at] === false && hasGold[2 * at + 1] === true);
  return { ...all, excluding: excluding.length };
}
