import type { Rate } from '../rate.ts';

export interface EngineQuestion {
  readonly corpus: string;
  readonly questions: readonly string[];
  readonly topK: number;
  readonly seconds: number;
}

/** A search engine with a corpus in it, in this process. */
export interface Engine {
  /** Ids, best first. */
  search(query: string): readonly string[] | Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface EngineRow extends Rate {
  readonly callers: number;
  /** Queries of one call, when more than one. */
  readonly batch?: number | undefined;
}

export interface EngineReport {
  readonly engine: string;
  readonly version: string;
  /** From the corpus on disk to the first answer. */
  readonly readyMs: number;
  /** Of the whole process, with the corpus and its index in it, after all searches. */
  readonly residentMiB: number;
  readonly peakResidentMiB: number;
  readonly rows: readonly EngineRow[];
  /** Ids for each question. */
  readonly found: readonly (readonly string[])[];
}
