import { TerminalError } from '#platform/errors.ts';
import type { SearchMode, SearchOptions } from '../retriever.ts';

export interface SearchPlan {
  readonly mode: SearchMode;
  readonly rerank: boolean;
  readonly topK: number;
  /** Hits that are looked at when they are reranked. */
  readonly candidates: number;
  readonly withText: boolean;
}

/** What this service can do, and does when a request leaves it open. */
export interface SearchAbilities {
  readonly defaultMode: SearchMode;
  readonly defaultRerank: boolean;
  /** Why there is no search by vectors; undefined where there is. */
  readonly denseMissing: string | undefined;
  /** Why nothing is reranked; undefined where it can be. */
  readonly rerankMissing: string | undefined;
  readonly rerankFrom: number;
  /** Most hits of a reranked answer. */
  readonly rerankTo: number;
}

/** Throws `failed_precondition` with the reason where a request names what is missing. */
export function decideSearch(options: SearchOptions, abilities: SearchAbilities): SearchPlan {
  const { mode = abilities.defaultMode, rerank = abilities.defaultRerank, topK, withText = false } = options;
  const { denseMissing, rerankMissing, rerankFrom, rerankTo } = abilities;
  if (mode !== 'lexical' && denseMissing !== undefined) {
    throw new TerminalError('failed_precondition', `mode: ${mode} cannot be served: ${denseMissing}`);
  }
  if (rerank && rerankMissing !== undefined) {
    throw new TerminalError('failed_precondition', `rerank: cannot be served: ${rerankMissing}`);
  }
  return { mode, rerank, topK: rerank ? Math.min(topK, rerankTo) : topK, candidates: rerankFrom, withText };
}
