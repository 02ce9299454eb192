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
