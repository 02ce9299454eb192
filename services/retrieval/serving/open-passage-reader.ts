import { createIndexReader } from '../index/index-reader.ts';
import type { IndexData } from '../index/open-index.ts';
import type { VectorData } from '../vectors/open-vectors.ts';
import type { PassageReader } from './passage-reader.ts';

/** What a thread opens an index from. Can be posted: what is large is shared. */
export interface SearchData {
  readonly index: IndexData;
  readonly vectors?: VectorData | undefined;
  /** Processors that one thread uses for vectors. */
  readonly vectorThreads: number;
}

export async function openPassageReader({ index, vectors, vectorThreads }: SearchData): Promise<PassageReader> {
  const reader = createIndexReader(index);
  if (vectors === undefined) return reader;
  // The runtime takes a part of a second to load; who searches by words only does not wait for it.
  const { startVectorSearch } = await import('../vectors/open-vectors.ts');
  const searcher = await startVectorSearch(vectors, vectorThreads);
  return {
    ...reader,
    nearest: (queries, k) => searcher.search(queries, k),
    dispose: () => searcher.dispose(),
  };
}
