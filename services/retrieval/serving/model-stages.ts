import type { CrossEncoder } from '../models/cross-encoder.ts';
import type { Encoder } from '../models/encoder.ts';
import type { SearchHit } from '../retriever.ts';
import { decodeHits, encodeHits, type EncodedHits } from './encoded-hits.ts';
import { createGatheredStage, type GatheredStage, type StageItem } from './gathered-stage.ts';

export interface EncodeItem extends StageItem {
  readonly query: string;
  /** It leaves the queue. */
  started(): void;
  encoded(vector: Float32Array): void;
}

export interface RerankItem extends StageItem {
  readonly query: string;
  /** With their texts. */
  readonly candidates: EncodedHits;
  readonly topK: number;
  readonly withText: boolean;
  started(): void;
  reranked(hits: EncodedHits): void;
}

/** Queries that a model reads at once. */
const mostQueries = 64;
/** While a batch is worked on the next lies ready. */
const batchesAtOnce = 2;

export function createEncodeStage(encoder: Pick<Encoder, 'encode' | 'dimensions'>): GatheredStage<EncodeItem> {
  return createGatheredStage<EncodeItem>({
    concurrency: batchesAtOnce,
    maxBatch: mostQueries,
    async run(items) {
      for (const item of items) item.started();
      const texts = items.map(({ query }) => query);
      const vectors = await encoder.encode(texts, 'query');
      const { dimensions } = encoder;
      items.forEach((item, index) => item.encoded(vectors.slice(index * dimensions, (index + 1) * dimensions)));
    },
  });
}

/** A query and its candidates are a batch already. */
export function createRerankStage(crossEncoder: Pick<CrossEncoder, 'score'>): GatheredStage<RerankItem> {
  return createGatheredStage<RerankItem>({
    concurrency: batchesAtOnce,
    maxBatch: 1,
    async run([item]) {
      if (item === undefined) return;
      item.started();
      item.reranked(await rerank(crossEncoder, item));
    },
  });
}

/** Equal logits keep the order that they came in. */
async function rerank(
  crossEncoder: Pick<CrossEncoder, 'score'>,
  { query, candidates, topK, withText }: RerankItem,
): Promise<EncodedHits> {
  const hits = decodeHits(candidates);
  if (hits.length === 0) return candidates;
  const logits = await crossEncoder.score(query, hits.map(readText));
  const scored = hits.map((hit, rank) => ({
    id: hit.id,
    title: hit.title,
    preview: hit.preview,
    parentId: hit.parentId,
    text: withText ? hit.text : '',
    score: logits[rank] ?? -Infinity,
  }));
  return encodeHits(scored.toSorted((a, b) => b.score - a.score).slice(0, topK));
}

/** As encoders read passages, and as Search-R1's corpora have them. */
function readText({ title, text }: SearchHit): string {
  return title === '' ? text : `${title}\n${text}`;
}
