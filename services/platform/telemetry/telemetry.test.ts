import { trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterEach, describe, expect, test } from 'vitest';

import { TerminalError } from '../errors.ts';
import { createBoundedLabel } from './bounded-label.ts';
import { createLogger } from './logging.ts';
import { createMetrics, durationBuckets } from './metrics.ts';
import { injectTrace, spanIdsOf, startTracing, withExtractedTrace, withSpan } from './tracing.ts';
import type { Tracing } from './tracing.ts';

describe('metrics', () => {
  test('a metric that is declared twice is one metric', async () => {
    const metrics = createMetrics();
    metrics.counter('gradus_calls_total', 'Calls.', ['code']).inc({ code: 'OK' });
    metrics.counter('gradus_calls_total', 'Calls.', ['code']).inc({ code: 'OK' }, 2);
    expect(await metrics.render()).toContain('gradus_calls_total{code="OK"} 3');
  });

  test('the same name with other labels or of another kind is refused', () => {
    const metrics = createMetrics();
    metrics.gauge('gradus_queue_bytes', 'Bytes.');
    expect(() => metrics.gauge('gradus_queue_bytes', 'Bytes.', ['stage'])).toThrow(/declared twice/);
    expect(() => metrics.histogram('gradus_queue_bytes', 'Bytes.', durationBuckets)).toThrow(/declared twice/);
  });

  test('a label whose values others choose keeps the first ones, and the rest are one', () => {
    const label = createBoundedLabel(2);
    expect(['search', 'visit', 'code', 'search', 'other', 'visit'].map(label)).toEqual([
      'search',
      'visit',
      'other',
      'search',
      'other',
      'visit',
    ]);
  });

  test('names outside the vocabulary are refused', () => {
    const metrics = createMetrics();
    expect(() => metrics.gauge('queue_bytes', 'Bytes.')).toThrow(/must be named/);
    expect(() => metrics.gauge('gradus_Queue_bytes', 'Bytes.')).toThrow(/must be named/);
    expect(() => metrics.counter('gradus_calls_count', 'Calls.')).toThrow(/end in _total/);
    expect(() => metrics.gauge('gradus_calls_total', 'Calls.')).toThrow(/end in _total/);
  });
});

/** What gRPC metadata and NATS headers look like to the tracer. */
function carrier(): Map<string, string> & { set(key: string, value: string): unknown } {
  return new Map<string, string>();
}

let tracing: Tracing | undefined;
afterEach(async () => {
  await tracing?.shutdown();
  tracing = undefined;
});

describe('traces', () => {
  test('P7: a trace goes on where its context is extracted', async () => {
    const exporter = new InMemorySpanExporter();
    tracing = await startTracing({ service: 'test', processor: new SimpleSpanProcessor(exporter) });
    const headers = carrier();
    await withSpan('outer', {}, () => Promise.resolve(injectTrace(headers)));
    await withExtractedTrace(headers, () => withSpan('inner', { 'gradus.stage': 'one' }, () => Promise.resolve()));
    const [outer, inner] = exporter.getFinishedSpans();
    expect(headers.get('traceparent')).toContain(outer?.spanContext().traceId);
    expect(inner?.spanContext().traceId).toBe(outer?.spanContext().traceId);
    expect(inner?.parentSpanContext?.spanId).toBe(outer?.spanContext().spanId);
    expect(inner?.attributes).toEqual({ 'gradus.stage': 'one' });
  });

  test('P7: a share of traces is recorded whole: by its id, in every service, and what is rare always', async () => {
    const exporter = new InMemorySpanExporter();
    tracing = await startTracing({ service: 'test', ratio: 0.5, processor: new SimpleSpanProcessor(exporter) });
    const ids = Array.from({ length: 200 }, (_, index) => spanIdsOf('rollout', String(index)));
    for (const root of ids) {
      const headers = carrier();
      await withSpan('publish', {}, () => Promise.resolve(injectTrace(headers)), { root });
      // One service gets the context with the task, another computes it.
      await withExtractedTrace(headers, () => withSpan('play', {}, () => Promise.resolve()));
      await withSpan('score', {}, () => Promise.resolve(), { parent: root });
    }
    const names = new Map<string, string[]>();
    for (const span of exporter.getFinishedSpans()) {
      const { traceId } = span.spanContext();
      names.set(traceId, [...(names.get(traceId) ?? []), span.name]);
    }
    expect(names.size).toBeGreaterThan(50);
    expect(names.size).toBeLessThan(150);
    for (const spans of names.values()) expect(spans.toSorted()).toEqual(['play', 'publish', 'score']);
    exporter.reset();
    for (let step = 0; step < 20; step++)
      await withSpan('train', {}, () => Promise.resolve(), { always: true, links: ids });
    expect(exporter.getFinishedSpans()).toHaveLength(20);
  });

  test('a failure marks its span and is rethrown, a cancellation does not mark it', async () => {
    const exporter = new InMemorySpanExporter();
    tracing = await startTracing({ service: 'test', processor: new SimpleSpanProcessor(exporter) });
    const failing = withSpan('bad', {}, () => Promise.reject(new TerminalError('data_loss', 'torn')));
    await expect(failing).rejects.toThrow('torn');
    const stopped = withSpan('stopped', {}, () => Promise.reject(new DOMException('stop', 'AbortError')));
    await expect(stopped).rejects.toThrow('stop');
    const [bad, quiet] = exporter.getFinishedSpans();
    expect(bad?.status).toEqual({ code: 2, message: 'torn' });
    expect(bad?.attributes['error.type']).toBe('data_loss');
    expect(quiet?.status.code).toBe(0);
  });

  test('without an endpoint spans have ids for the logs and are not recorded', async () => {
    tracing = await startTracing({ service: 'test' });
    const lines: string[] = [];
    const log = createLogger({
      service: 'test',
      level: 'info',
      destination: { write: (line) => void lines.push(line) },
    });
    log.info('outside');
    const traceId = await withSpan('work', {}, (span) => {
      log.info('inside');
      expect(span.isRecording()).toBe(false);
      expect(trace.getActiveSpan()).toBe(span);
      return Promise.resolve(span.spanContext().traceId);
    });
    const [outside, inside] = lines.map((line): unknown => JSON.parse(line));
    expect(outside).toMatchObject({ service: 'test', level: 'info', message: 'outside' });
    expect(outside).not.toHaveProperty('trace_id');
    expect(inside).toMatchObject({ trace_id: traceId });
  });
});

test('passwords and authorization headers do not reach the log', () => {
  const lines: string[] = [];
  const log = createLogger({ service: 'test', level: 'info', destination: { write: (line) => void lines.push(line) } });
  log.info({ password: 'hunter2', headers: { authorization: 'Bearer x' } }, 'call');
  expect(lines[0]).not.toContain('hunter2');
  expect(lines[0]).not.toContain('Bearer');
});

test('a line of the log is JSON without anything that a terminal acts on', () => {
  const lines: string[] = [];
  const log = createLogger({ service: 't', level: 'info', destination: { write: (line) => void lines.push(line) } });
  const hostile = 'page \u001b[2J\u009b2J\r\u202egnp';
  log.info({ page: hostile }, hostile);
  expect(lines.join('')).not.toMatch(/[\r\u001b\u009b\u202e]/);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ page: hostile, message: hostile });
});

test('P2: a number that is not finite is counted and not shown, whatever the metric', async () => {
  const metrics = createMetrics();
  const gauge = metrics.gauge('gradus_reward_mean', 'Mean.', ['stage']);
  gauge.set({ stage: 'one' }, 0.5);
  gauge.set({ stage: 'one' }, NaN);
  metrics.gauge('gradus_queue_bytes', 'Read.', [], () => Infinity);
  const histogram = metrics.histogram('gradus_wait_seconds', 'Wait.', [1]);
  histogram.observe(0.1);
  histogram.observe(NaN);
  const text = await metrics.render();
  expect(text).toContain('gradus_reward_mean{stage="one"} 0.5');
  expect(text).toContain('gradus_wait_seconds_count 1');
  expect(text).not.toMatch(/Nan|NaN|Inf$/m);
  for (const metric of ['gradus_reward_mean', 'gradus_wait_seconds', 'gradus_queue_bytes'])
    expect(await metrics.render()).toContain(`gradus_metric_refused_total{metric="${metric}"}`);
});
