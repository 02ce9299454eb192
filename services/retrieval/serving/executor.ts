import type { CancelledCode, TerminalCode, TransientCode } from '#platform/errors.ts';
import type { DocumentPart, SearchMode } from '../retriever.ts';

/** One query for a thread. Plain data: it is sent. */
export interface SearchTask {
  /** Which of the open indexes. */
  readonly generation: number;
  readonly query: string;
  readonly mode: SearchMode;
  /** What the encoder made of the query; for other modes than lexical. */
  readonly vector?: Float32Array | undefined;
  readonly topK: number;
  readonly withText: boolean;
}

export interface FetchTask {
  readonly generation: number;
  readonly ids: readonly string[];
  readonly part: number;
  readonly partCharacters: number;
}

export interface Batch {
  readonly searches: readonly SearchTask[];
  readonly fetches: readonly FetchTask[];
}

/** What a thread does for a query, in the order of `BatchAnswer.seconds`. */
export const executorStages = ['lexical', 'dense', 'fuse', 'content'] as const;
export type ExecutorStage = (typeof executorStages)[number];

export interface BatchAnswer {
  /** The encoded hits of all searches, one behind the other. */
  readonly hits: Uint8Array<ArrayBuffer>;
  /** Where the hits of each search end in `hits`. */
  readonly ends: Uint32Array;
  /** For each search the time of each of `executorStages`. */
  readonly seconds: Float32Array;
  /** For each fetch. */
  readonly documents: readonly (readonly (DocumentPart | undefined)[])[];
  /** What went wrong, by the position among the searches, then the fetches; their hits and documents are empty. */
  readonly failures: ReadonlyMap<number, ExecutorFailure>;
}

/** Plain data: it is sent. A thread only fails for good; an executor that asks an engine elsewhere may fail for now. */
export interface ExecutorFailure {
  readonly code: TerminalCode | Extract<TransientCode, 'unavailable'> | Extract<CancelledCode, 'deadline_exceeded'>;
  readonly message: string;
}

/** Where batches are worked on: a thread, or this one. `D` is what an index is opened from, in any thread. */
export interface Executor<D> {
  /** Readies an index; batches may name its generation afterwards. */
  open(generation: number, data: D): Promise<void>;
  /** No later batch names it. Settles when the executor has let go of it. */
  close(generation: number): Promise<void>;
  /** One at a time. Rejects only when the executor is lost. */
  run(batch: Batch): Promise<BatchAnswer>;
  /** Settles when the executor can do no more work; with the reason, unless `stop` was asked for. */
  readonly ended: Promise<Error | undefined>;
  stop(): Promise<void>;
}

export type ToThread<D> =
  | { readonly kind: 'open'; readonly generation: number; readonly data: D }
  | { readonly kind: 'close'; readonly generation: number }
  | { readonly kind: 'run'; readonly batch: Batch }
  /** Ends the thread after what was sent before. */
  | { readonly kind: 'end' };

export type FromThread =
  | { readonly kind: 'opened'; readonly generation: number }
  | { readonly kind: 'notOpened'; readonly generation: number; readonly reason: string }
  | { readonly kind: 'closed'; readonly generation: number }
  | { readonly kind: 'answer'; readonly answer: BatchAnswer };
