import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { expect, onTestFinished, test } from 'vitest';
import { startTracing } from '#platform/telemetry/tracing.ts';
import { startHttpApi } from './http-api.ts';

test('P7: a request continues the trace that it brings, and an error marks its span', async () => {
  const exporter = new InMemorySpanExporter();
  const tracing = await startTracing({ service: 'test', processor: new SimpleSpanProcessor(exporter) });
  onTestFinished(() => tracing.shutdown());
  const api = await startHttpApi();
  const headers = (trace: string) => ({
    'content-type': 'application/json',
    traceparent: `00-${trace}-00f067aa0ba902b7-01`,
  });
  const traces = ['4bf92f3577b34da6a3ce929d0e0e4736', '5bf92f3577b34da6a3ce929d0e0e4736'] as const;
  await api.post('/retrieve', { queries: ['Halvard'] }, { headers: headers(traces[0]) });
  await api.post('/visit', { url: 'doc_99' }, { headers: headers(traces[1]) });
  const spans = exporter.getFinishedSpans();
  expect(spans.map((span) => [span.name, span.spanContext().traceId, span.attributes['http.route']])).toEqual([
    ['POST /retrieve', traces[0], '/retrieve'],
    ['POST /visit', traces[1], '/visit'],
  ]);
  expect(spans[0]?.parentSpanContext?.spanId).toBe('00f067aa0ba902b7');
  expect(spans[1]?.attributes['error.type']).toBe('not_found');
});
