import { serveStdio } from '@modelcontextprotocol/server/stdio';
import type { Lifecycle } from '#platform/runtime/lifecycle.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { startTracing } from '#platform/telemetry/tracing.ts';
import type { RetrievalConfig } from '../config.ts';
import { createRetrievalEvents } from '../events.ts';
import { fetchInputs } from '../fetch-inputs.ts';
import { hubSettingsFrom } from '../models/hub-settings.ts';
import { openRetriever } from '../open-retriever.ts';
import { createMcpServer } from './create-mcp-server.ts';
import { createAnsweringTransport } from './last-answers.ts';

/** The search tools of a corpus over standard input and output, until the client leaves. */
export async function serveCorpus(config: RetrievalConfig, lifecycle: Lifecycle, log: Logger): Promise<void> {
  const tracing = await startTracing({
    service: 'retrieval-mcp',
    endpoint: config.otlpEndpoint,
    ratio: config.otlpRatio,
  });
  lifecycle.defer('traces', () => tracing.shutdown());
  const metrics = createMetrics();
  const events = createRetrievalEvents(log, metrics);
  const ctx: ServiceContext = {
    name: 'retrieval-mcp',
    log,
    metrics,
    signal: lifecycle.signal,
    defer: (what, dispose) => lifecycle.defer(what, dispose),
    fail: (error) => lifecycle.fail(error),
  };
  const retriever = await openRetriever(await fetchInputs(config, ctx), events, ctx, hubSettingsFrom(process.env));
  const bounds = { log, timeoutMs: config.httpTimeoutMs };
  const { transport, input, countRequests } = createAnsweringTransport();
  const connection = serveStdio(() => createMcpServer({ retriever, events }, bounds), {
    transport,
    onerror: (error) => log.warn({ err: error }, 'a message could not be read or answered'),
  });
  lifecycle.defer('MCP', () => connection.close());
  countRequests();
  input.once('close', () => lifecycle.stop('the client has left'));
}
