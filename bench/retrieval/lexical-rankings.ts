import { indexCorpus } from '../../services/retrieval/index/index-corpus.ts';
import { createIndexReader } from '../../services/retrieval/index/index-reader.ts';
import { closeIndex } from '../../services/retrieval/index/open-index.ts';
import type { Ranking } from './load/answers.ts';

/** What a service over this corpus has to answer, from an index in this process. */
export async function lexicalRankings(corpus: string, queries: readonly string[], topK: number): Promise<Ranking[]> {
  const index = await indexCorpus(corpus, { analyzer: 'standard', k1: 1.2, b: 0.75 });
  try {
    const { search, card } = createIndexReader(index);
    return queries.map((query) => {
      const { passages, scores } = search(query, topK);
      return Array.from(passages, (passage, place) => ({ id: card(passage).id, score: scores[place] ?? NaN }));
    });
  } finally {
    closeIndex(index);
  }
}
