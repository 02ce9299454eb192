import type { Corpus } from '../corpus/load-corpus.ts';
import { createBm25Builder, type Bm25Index, type Bm25Options } from './bm25-index.ts';

/** Indexes `title\ntext` of every document, in the corpus's order. */
export function indexCorpus(corpus: Pick<Corpus, 'documents'>, options: Bm25Options): Bm25Index {
  const builder = createBm25Builder(options);
  for (const { title, text } of corpus.documents) builder.add(`${title}\n${text}`);
  return builder.build();
}
