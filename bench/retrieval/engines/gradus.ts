import { createIndexReader } from '../../../services/retrieval/index/index-reader.ts';
import { indexCorpus } from '../../../services/retrieval/index/index-corpus.ts';
import { closeIndex } from '../../../services/retrieval/index/open-index.ts';
import type { Engine, EngineQuestion } from './engine.ts';

export async function openGradus({ corpus, topK }: EngineQuestion): Promise<Engine> {
  const index = await indexCorpus(corpus, { analyzer: 'standard', k1: 1.2, b: 0.75 });
  const { search, card } = createIndexReader(index);
  return {
    search: (query) => Array.from(search(query, topK).passages, (passage) => card(passage).id),
    close: async () => closeIndex(index),
  };
}
