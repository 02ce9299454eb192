import type { IndexReader } from '../../../services/retrieval/index/index-reader.ts';
import { createTopK } from '../../../services/retrieval/index/top-k.ts';
import type { CrossEncoder } from '../../../services/retrieval/models/cross-encoder.ts';
import type { Encoder } from '../../../services/retrieval/models/encoder.ts';
import { fuseRanks } from '../../../services/retrieval/search/fuse-ranks.ts';

export interface ModelRanking {
  readonly setting: string;
  /** Page ids for each question, best first. */
  readonly rankings: readonly (readonly string[])[];
}

export interface ModelRankingOptions {
  readonly reader: IndexReader;
  readonly passages: number;
  readonly questions: readonly string[];
  readonly encoder?: Encoder | undefined;
  readonly reranker?: CrossEncoder | undefined;
  /** Hits kept of each list before lists are fused. */
  readonly depth: number;
  /** Candidates that a cross-encoder orders anew. */
  readonly candidates: number;
}

/** Passages encoded at a time: what is held as text. */
const textsAtOnce = 1_024;

/** Dense, hybrid and reranked rankings of all questions, as far as there are models. Dense is exact. */
export async function rankByModels(options: ModelRankingOptions): Promise<ModelRanking[]> {
  const { reader, questions, encoder, reranker, depth } = options;
  const lists: [string, Uint32Array[]][] = [];
  const lexical = questions.map((question) => reader.search(question, depth).passages);
  if (encoder !== undefined) {
    const dense = await rankByVectors(encoder, options);
    const hybrid = dense.map((list, at) => fuseRanks([lexical[at] ?? new Uint32Array(), list], depth).passages);
    lists.push([`dense, ${encoder.id}`, dense], [`hybrid, ${encoder.id}`, hybrid]);
  }
  const rankings = lists.map(([setting, found]) => ({ setting, rankings: found.map((list) => pagesOf(reader, list)) }));
  if (reranker !== undefined) {
    for (const [setting, found] of [['lexical', lexical] as const, ...lists]) {
      const reranked = await rerank(reranker, found, options);
      rankings.push({
        setting: `${setting}, reranked by ${reranker.id}`,
        rankings: reranked.map((list) => pagesOf(reader, list)),
      });
    }
  }
  return rankings;
}

async function rankByVectors(
  encoder: Encoder,
  { reader, passages, questions, depth }: ModelRankingOptions,
): Promise<Uint32Array[]> {
  const queries = await encoder.encode(questions, 'query');
  const { dimensions } = encoder;
  const best = questions.map(() => createTopK(depth));
  for (let first = 0; first < passages; first += textsAtOnce) {
    const count = Math.min(textsAtOnce, passages - first);
    const texts = Array.from({ length: count }, (_, at) => contentsOf(reader, first + at));
    const vectors = await encoder.encode(texts, 'passage');
    best.forEach((top, question) => {
      const query = queries.subarray(question * dimensions, (question + 1) * dimensions);
      for (let at = 0; at < count; at += 1) {
        let product = 0;
        for (let d = 0; d < dimensions; d += 1) product += (query[d] ?? 0) * (vectors[at * dimensions + d] ?? 0);
        top.offer(first + at, product);
      }
    });
  }
  return best.map((top) => top.take().passages);
}

async function rerank(
  reranker: CrossEncoder,
  lists: readonly Uint32Array[],
  { reader, questions, candidates }: ModelRankingOptions,
): Promise<Uint32Array[]> {
  const reranked: Uint32Array[] = [];
  for (const [at, list] of lists.entries()) {
    const first = list.subarray(0, candidates);
    const texts = Array.from(first, (passage) => contentsOf(reader, passage));
    const scores = await reranker.score(questions[at] ?? '', texts);
    const order = Array.from(first, (passage, rank) => ({ passage, rank, score: scores[rank] ?? -Infinity }));
    order.sort((one, other) => other.score - one.score || one.rank - other.rank);
    reranked.push(Uint32Array.from(order, ({ passage }) => passage));
  }
  return reranked;
}

function contentsOf(reader: IndexReader, passage: number): string {
  const { title, text } = reader.text(passage);
  return `${title}\n${text}`;
}

/** How many passages are looked at for one page, where pages are chunked. */
const chunksPerPage = 8;

/** Ids of the first `limit` pages that the words of a query find; a page stands where its best chunk does. */
export function rankPages(reader: IndexReader, query: string, limit: number, chunked: boolean): string[] {
  const { passages } = reader.search(query, chunked ? chunksPerPage * limit : limit);
  return pagesOf(reader, passages).slice(0, limit);
}

/** Ids of the pages that passages are of, each once. */
export function pagesOf(reader: IndexReader, passages: Uint32Array): string[] {
  const ids = Array.from(passages, (passage) => {
    const { id, parentId } = reader.card(passage);
    return parentId === '' ? id : parentId;
  });
  return [...new Set(ids)];
}
