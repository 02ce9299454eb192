import { previewOf } from './preview.ts';
import type { Corpus } from './corpus/load-corpus.ts';
import type { Document } from './corpus/parse-document.ts';
import type { Bm25Index } from './index/bm25-index.ts';

export interface LibraryHit {
  readonly id: string;
  readonly title: string;
  readonly preview: string;
  readonly score: number;
}

/** A corpus and its index as one thing: what search finds, fetch gets. Immutable, in memory. */
export interface Library {
  readonly documents: number;
  readonly terms: number;
  /** SHA-256 of the corpus, lower-case hex. */
  readonly indexVersion: string;
  readonly corpusPath: string;
  search(query: string, topK: number): LibraryHit[];
  fetch(id: string): Document | undefined;
}

export function createLibrary(corpus: Corpus, index: Bm25Index): Library {
  return {
    documents: index.documents,
    terms: index.terms,
    indexVersion: corpus.hash,
    corpusPath: corpus.path,
    search: (query, topK) =>
      index.search(query, topK).flatMap(({ document: position, score }) => {
        const document = corpus.documents[position];
        if (document === undefined) return [];
        const { id, title, text } = document;
        return [{ id, title, preview: previewOf(title, text), score }];
      }),
    fetch: (id) => corpus.byId.get(id),
  };
}
