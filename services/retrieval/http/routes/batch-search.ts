import { limits } from '../../limits.ts';
import { find, mostQueries, type Finder } from '../find.ts';
import { countOf, fieldsOf, flagOf, textsOf } from '../request-fields.ts';
import { rowOf } from '../rows.ts';

/** `POST /batch_search` of ReCall: a list of rows per query, with scores `[lists of rows, lists of scores]`. */
export async function batchSearch(finder: Finder, body: unknown, signal: AbortSignal): Promise<readonly unknown[]> {
  const fields = fieldsOf(body, ['query', 'top_n', 'return_score']);
  const queries = textsOf(fields, 'query', mostQueries);
  const topK = countOf(fields, 'top_n', { usual: limits.defaultTopK, most: limits.topK });
  const scores = flagOf(fields, 'return_score');
  const found = await find(finder, queries, topK, signal);
  const rows = found.map((hits) => hits.map(rowOf));
  return scores ? [rows, found.map((hits) => hits.map(({ score }) => score))] : rows;
}
