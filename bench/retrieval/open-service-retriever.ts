import { loadConfig } from '#platform/runtime/config.ts';
import { createLifecycle } from '#platform/runtime/lifecycle.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { retrievalConfig } from '../../services/retrieval/config.ts';
import { createRetrievalEvents } from '../../services/retrieval/events.ts';
import { openRetriever } from '../../services/retrieval/open-retriever.ts';
import type { Retriever } from '../../services/retrieval/retriever.ts';

const disposeMs = 10_000;

/** What the service's servers call, with its threads, in this process and without a server. */
export async function openServiceRetriever(
  flags: readonly string[],
): Promise<AsyncDisposable & { readonly retriever: Retriever }> {
  const log = createLogger({ service: 'bench', level: 'warn' });
  const lifecycle = createLifecycle(log);
  const metrics = createMetrics();
  const context: ServiceContext = {
    name: 'bench',
    log,
    metrics,
    signal: lifecycle.signal,
    defer: (what, dispose) => lifecycle.defer(what, dispose),
    fail: (error) => lifecycle.fail(error),
  };
  const config = loadConfig(retrievalConfig, { argv: flags });
  const retriever = await openRetriever(config, createRetrievalEvents(log, metrics), context);
  lifecycle.serving();
  return {
    retriever,
    async [Symbol.asyncDispose]() {
      lifecycle.stop('the bench is over');
      await lifecycle.drain(disposeMs);
    },
  };
}
