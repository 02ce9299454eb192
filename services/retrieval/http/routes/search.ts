import { limits } from '../../limits.ts';
import { find, type Finder, mostQueries } from '../find.ts';
import { countOf, fieldsOf, flagOf, invalid, textOf, textsOf } from '../request-fields.ts';
import { rowOf } from '../rows.ts';

/** `POST /search` of ReCall: a list of rows, with scores `[rows, scores]`. */
export async function search(finder: Finder, body: unknown, signal: AbortSignal): Promise<readonly unknown[]> {
  const fields = fieldsOf(body, ['query', 'top_n', 'return_score']);
  const query = textOf(fields, 'query');
  if (query.trim() === '') throw invalid('query: empty; give what to search for');
  const topK = countOf(fields, 'top_n', { usual: limits.defaultTopK, most: limits.topK });
  const scores = flagOf(fields, 'return_score');
  const [hits = []] = await find(finder, [query], topK, signal);
  return scores ? [hits.map(rowOf), hits.map(({ score }) => score)] : hits.map(rowOf);
}

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
