import { limits } from '../../limits.ts';
import { find, mostQueries, type Finder } from '../find.ts';
import { countOf, fieldsOf, flagOf, textsOf } from '../request-fields.ts';
import { rowOf } from '../rows.ts';

const keys = ['queries', 'topk', 'topk_retrieval', 'topk_rerank', 'return_scores'];

/**
 * `POST /retrieve` of Search-R1 and of Menlo. With scores the first nests a row as `document` next to its score, the
 * second puts the score into the row; a request with one of Menlo's two counts is Menlo's.
 */
export async function retrieve(finder: Finder, body: unknown, signal: AbortSignal): Promise<object> {
  const started = performance.now();
  const fields = fieldsOf(body, keys);
  const queries = textsOf(fields, 'queries', mostQueries);
  const scores = flagOf(fields, 'return_scores');
  const count = (name: string, usual: number): number => countOf(fields, name, { usual, most: limits.topK });
  const menlo = Object.hasOwn(fields, 'topk_retrieval') || Object.hasOwn(fields, 'topk_rerank');
  const topK = menlo ? Math.min(count('topk_rerank', 3), count('topk_retrieval', 10)) : count('topk', 3);
  const found = await find(finder, queries, topK, signal);
  const result = found.map((hits) =>
    hits.map((hit) => {
      if (!scores) return rowOf(hit);
      return menlo ? { ...rowOf(hit), score: hit.score } : { document: rowOf(hit), score: hit.score };
    }),
  );
  return { result, processing_time: (performance.now() - started) / 1_000 };
}
