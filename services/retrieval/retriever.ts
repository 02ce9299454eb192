/** What every API of this service (gRPC, HTTP, MCP) talks to, and what every backend gives. */

export type SearchMode = 'lexical' | 'dense' | 'hybrid';

export interface SearchOptions {
  /** Hits per query, 1..1000. */
  readonly topK: number;
  /** The service's default when absent. A mode whose weights are missing throws `failed_precondition`. */
  readonly mode?: SearchMode | undefined;
  /** Whether a cross-encoder orders the best candidates anew; the service's default when absent. */
  readonly rerank?: boolean | undefined;
  /** Whether hits carry their text. */
  readonly withText?: boolean | undefined;
  /** Ends the wait; queries that have not begun are not begun. */
  readonly signal?: AbortSignal | undefined;
}

export interface SearchHit {
  readonly id: string;
  readonly title: string;
  /** At most 150 characters, never empty unless the text is. */
  readonly preview: string;
  readonly score: number;
  /** Id of the page that this chunk was cut from; empty where pages are not chunked. */
  readonly parentId: string;
  /** At most `maxHitTextCharacters`; empty unless asked for. */
  readonly text: string;
}

export interface SearchAnswer {
  /** One list per query, in the order asked; best first. */
  readonly results: readonly (readonly SearchHit[])[];
  readonly indexVersion: string;
  /** What was really done. */
  readonly mode: SearchMode;
  readonly reranked: boolean;
}

export interface DocumentPart {
  readonly id: string;
  readonly title: string;
  /** All parts joined are the whole text. Empty beyond the last part. */
  readonly text: string;
  readonly parentId: string;
  /** From 0. */
  readonly part: number;
  readonly parts: number;
  /** Of the whole text, in UTF-16 units. */
  readonly characters: number;
}

export interface FetchOptions {
  readonly part: number;
  /** In UTF-16 units. */
  readonly partCharacters: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Description {
  /** Pages of the corpus. */
  readonly documents: number;
  /** What search finds: chunks where pages are chunked, else pages. */
  readonly passages: number;
  readonly terms: number;
  /** Names the corpus and how it was indexed; lower-case hex, 64 digits. */
  readonly indexVersion: string;
  readonly indexBytes: number;
  readonly corpusPath: string;
  readonly analyzer: string;
  readonly k1: number;
  readonly b: number;
  readonly defaultMode: SearchMode;
  readonly defaultRerank: boolean;
  /** Empty when there is none. */
  readonly encoder: string;
  readonly reranker: string;
  /** Why a wanted part is missing, a sentence each. */
  readonly missing: readonly string[];
  readonly backend: 'local' | 'lancedb';
}

/**
 * Answers many callers at once. Every method may throw `TransientError('resource_exhausted', { retryAfterMs })` when too
 * much is waiting, and `CancelledError` when the signal ends the wait.
 */
export interface Retriever {
  search(queries: readonly string[], options: SearchOptions): Promise<SearchAnswer>;
  /** Documents by id, of pages or of chunks, in the order asked; `undefined` for an unknown id. */
  fetch(ids: readonly string[], options: FetchOptions): Promise<readonly (DocumentPart | undefined)[]>;
  describe(): Description;
  /** Reads the index anew and swaps it in; calls under way end on the old one. */
  reload(signal?: AbortSignal): Promise<{ readonly oldIndexVersion: string; readonly newIndexVersion: string }>;
}
