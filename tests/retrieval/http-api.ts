/** The HTTP API over the real retriever of a small corpus, for one test. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { loadConfig } from '#platform/runtime/config.ts';
import { createLifecycle } from '#platform/runtime/lifecycle.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import { retrievalConfig } from '../../services/retrieval/config.ts';
import { createRetrievalEvents } from '../../services/retrieval/events.ts';
import { startHttpServer } from '../../services/retrieval/http/start-http-server.ts';
import { openRetriever } from '../../services/retrieval/open-retriever.ts';
import type { Retriever } from '../../services/retrieval/retriever.ts';
import { silentLog } from '../platform/fixtures.ts';

export interface Page {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

export const fivePages: readonly Page[] = [
  { id: '0007', title: 'Halvard Brontley', text: 'Halvard Brontley was born in Norwick Vale.\nHe wrote books.' },
  { id: '3', title: 'Paris (city)', text: 'Paris (city) is a town in Estmark Dell.' },
  { id: 'a b/ü', title: 'Norwick Vale', text: 'Norwick Vale is a town in Estmark Dell.' },
  { id: '12', title: 'Estmark Dell', text: 'Estmark Dell is a country. Its capital is Norwick Vale.' },
  { id: '40', title: '', text: 'A page that has no title.' },
];

/** Where what was started is ended again: at the end of the test, or of the file with `afterAll`. */
type AtEnd = (end: () => Promise<void>) => void;

export async function writeCorpus(pages: readonly Page[], atEnd: AtEnd = onTestFinished): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-http-api-'));
  atEnd(() => rm(directory, { recursive: true }));
  const path = join(directory, 'corpus.jsonl');
  await writeFile(path, pages.map((page) => JSON.stringify(page)).join('\n'));
  return path;
}

export interface HttpApiOptions {
  readonly pages?: readonly Page[];
  readonly flags?: readonly string[];
  /** Puts something between the api and the retriever. */
  readonly around?: ((retriever: Retriever) => Retriever) | undefined;
}

export interface RunningHttpApi {
  readonly url: string;
  readonly address: string;
  readonly metrics: Metrics;
  /** Begins to stop, as on SIGTERM. */
  stop(): void;
  drain(withinMs: number): Promise<void>;
  /** Posts JSON; the body of the answer is parsed. */
  post(
    path: string,
    body: unknown,
    options?: RequestInit,
  ): Promise<{ status: number; headers: Headers; body: unknown }>;
}

export async function startHttpApi(
  { pages = fivePages, flags = [], around }: HttpApiOptions = {},
  atEnd: AtEnd = onTestFinished,
): Promise<RunningHttpApi> {
  const config = loadConfig(retrievalConfig, {
    argv: ['--corpus', await writeCorpus(pages, atEnd), '--http', '127.0.0.1:0', ...flags],
  });
  const lifecycle = createLifecycle(silentLog);
  const metrics = createMetrics();
  const context: ServiceContext = {
    name: 'retrieval',
    log: silentLog,
    metrics,
    signal: lifecycle.signal,
    defer: (what, dispose) => lifecycle.defer(what, dispose),
    fail: (error) => lifecycle.fail(error),
  };
  atEnd(async () => {
    lifecycle.stop('the test is over');
    await lifecycle.drain(5_000);
  });
  const events = createRetrievalEvents(silentLog, metrics);
  const real = await openRetriever(config, events, context);
  const api = await startHttpServer(config.http ?? '127.0.0.1:0', config, {
    ...context,
    events,
    retriever: around === undefined ? real : around(real),
  });
  lifecycle.defer('HTTP', () => api.drain(0));
  lifecycle.serving();
  const url = `http://${api.address}`;
  return {
    url,
    address: api.address,
    metrics,
    stop: () => lifecycle.stop('the test says so'),
    drain: (withinMs) => api.drain(withinMs),
    async post(path, body, options) {
      const response = await fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        ...options,
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
    },
  };
}

/** Holds searches until they are let go; what is held ends with its signal, as the contract of a retriever says. */
export function createGate() {
  const held: { readonly signal: AbortSignal | undefined; go(): void }[] = [];
  return {
    held,
    around: (retriever: Retriever): Retriever => ({
      ...retriever,
      async search(queries, options) {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        held.push({ signal: options.signal, go: resolve });
        options.signal?.addEventListener('abort', () => reject(options.signal?.reason));
        await promise;
        return await retriever.search(queries, options);
      },
    }),
  };
}
