import { createIndexReader } from '../index/index-reader.ts';
import type { IndexData } from '../index/open-index.ts';
import type { VectorData } from '../vectors/open-vectors.ts';
import type { DocumentPart, SearchHit } from '../retriever.ts';

export interface Ranking {
  /** Best first. */
  readonly passages: Uint32Array;
  readonly scores: Float64Array;
}

/** What a search thread asks of an open index. */
export interface PassageReader {
  /** By words. */
  search(query: string, k: number): Ranking;
  /** By vectors, one ranking for each of those that lie behind each other in `vectors`; absent where there are none. */
  nearest?: ((vectors: Float32Array, k: number) => Promise<readonly Ranking[]>) | undefined;
  card(passage: number): Pick<SearchHit, 'id' | 'title' | 'preview' | 'parentId'>;
  text(passage: number): { readonly title: string; readonly text: string };
  fetch(id: string, part: number, partCharacters: number): DocumentPart | undefined;
  dispose?: (() => Promise<void>) | undefined;
}

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
