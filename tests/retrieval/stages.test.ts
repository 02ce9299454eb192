import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { expect, onTestFinished, test } from 'vitest';
import { startTracing } from '#platform/telemetry/tracing.ts';
import { fivePages, writeCorpus } from './http-api.ts';
import { startRetrievalService } from './service.ts';

test('P7: a call shows in its span, and the service in its metrics, how long each stage took', async () => {
  const exporter = new InMemorySpanExporter();
  const tracing = await startTracing({ service: 'retrieval', processor: new SimpleSpanProcessor(exporter) });
  onTestFinished(() => tracing.shutdown());
  const { client, metric } = await startRetrievalService('--corpus', await writeCorpus(fivePages));
  await client.search({ queries: ['Norwick Vale', 'Estmark'] });
  await client.search({ queries: ['Norwick Vale'] });

  const spans = exporter.getFinishedSpans().filter(({ name }) => name.endsWith('RetrievalService/Search'));
  expect(spans.map(({ events }) => events.length)).toEqual([2, 0]);
  for (const { name, attributes } of spans[0]?.events ?? []) {
    expect(name).toBe('gradus.retrieval.query');
    expect(attributes?.['gradus.retrieval.lexical_seconds']).toBeGreaterThan(0);
    expect(attributes?.['gradus.retrieval.queue_seconds']).toBeGreaterThan(0);
  }
  for (const stage of ['queue', 'lexical', 'content']) {
    expect(await metric(`gradus_retrieval_stage_seconds_count{stage="${stage}"}`)).toBe(2);
  }
  expect(await metric('gradus_retrieval_stage_seconds_count{stage="rerank"}')).toBe(0);
});
