import { create, insertMultiple, search } from '@orama/orama';
import { readPages } from '../../../services/retrieval/corpus/read-pages.ts';
import { createAnalyzer } from '../../../services/retrieval/analyzer/analyzer.ts';
import type { Engine, EngineQuestion } from './engine.ts';

const batch = 1_000;

/**
 * With the words of our English analyzer, and documents that have any of them. It also matches prefixes, which cannot be
 * turned off and makes a question with stop words take a second; so its hits are not those of the others.
 */
export async function openOrama({ corpus, topK }: EngineQuestion): Promise<Engine> {
  const analyzer = createAnalyzer('english');
  const database = create({
    schema: { contents: 'string' },
    components: {
      tokenizer: {
        language: 'english',
        normalizationCache: new Map(),
        tokenize: (text: string) => [...analyzer(text)],
      },
    },
  });
  let pages: { id: string; contents: string }[] = [];
  for await (const { id, title, text } of readPages(corpus, { check: () => undefined })) {
    pages.push({ id, contents: `${title}\n${text}` });
    if (pages.length < batch) continue;
    await insertMultiple(database, pages, batch);
    pages = [];
  }
  if (pages.length > 0) await insertMultiple(database, pages, batch);
  return {
    async search(query) {
      const relevance = { k: 1.2, b: 0.75, d: 0 };
      const { hits } = await search(database, { term: query, limit: topK, threshold: 1, relevance });
      return hits.map(({ id }) => id);
    },
    async close() {},
  };
}
