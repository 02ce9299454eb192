import type { Retriever } from '../../retriever.ts';

/** `GET /health`: 503 comes from the server itself once it drains. */
export function health(retriever: Retriever): object {
  const { indexVersion } = retriever.describe();
  return { status: 'healthy', pipeline_loaded: true, device: 'cpu', index_version: indexVersion };
}
