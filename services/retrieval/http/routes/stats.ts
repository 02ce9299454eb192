import type { Retriever } from '../../retriever.ts';

/** `GET /stats`: Menlo's four numbers and names, then ours. */
export function stats(retriever: Retriever): object {
  const { documents, passages, encoder, reranker, ...rest } = retriever.describe();
  return {
    corpus_size: documents,
    index_size: passages,
    retriever_model: { lexical: 'bm25', dense: encoder, hybrid: `bm25 + ${encoder}` }[rest.defaultMode],
    reranker_model: rest.defaultRerank ? reranker : '',
    index_version: rest.indexVersion,
    index_bytes: rest.indexBytes,
    terms: rest.terms,
    analyzer: rest.analyzer,
    k1: rest.k1,
    b: rest.b,
    mode: rest.defaultMode,
    missing: rest.missing,
    backend: rest.backend,
  };
}

/** `GET /health`: 503 comes from the server itself once it drains. */
export function health(retriever: Retriever): object {
  const { indexVersion } = retriever.describe();
  return { status: 'healthy', pipeline_loaded: true, device: 'cpu', index_version: indexVersion };
}
