/** Every route of the HTTP API; `/` prints it, and its paths are the values of the metrics' label. */
export const routeList = [
  {
    method: 'POST',
    path: '/retrieve',
    does: 'search, as Search-R1 and Menlo ask: {queries, topk | topk_retrieval, topk_rerank, return_scores}',
  },
  { method: 'POST', path: '/search', does: 'search for one query, as ReCall asks: {query, top_n, return_score}' },
  {
    method: 'POST',
    path: '/batch_search',
    does: 'search for many queries, as ReCall asks: {query: […], top_n, return_score}',
  },
  { method: 'POST', path: '/visit', does: 'one document, as Menlo asks: {url: id | "doc_ID" | link}' },
  { method: 'POST', path: '/mcp', does: 'Model Context Protocol, streamable HTTP, stateless' },
  { method: 'GET', path: '/health', does: '200 while requests are taken' },
  { method: 'GET', path: '/stats', does: 'what is served: sizes, models, index version' },
  { method: 'GET', path: '/', does: 'this list' },
] as const;

export type RoutePath = (typeof routeList)[number]['path'];
