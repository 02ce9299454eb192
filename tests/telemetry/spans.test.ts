import { afterEach, expect, test } from 'vitest';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { startTracing, withSpan, type Tracing } from '#platform/telemetry/tracing.ts';
import { startOtlpCollector } from '../fixtures/otlp-collector.ts';
import { lastingAddress } from '../fixtures/lasting-port.ts';

let tracing: Tracing | undefined;
afterEach(() => tracing?.shutdown());

async function makeSpans(endpoint: string, count: number) {
  const metrics = createMetrics();
  tracing = await startTracing({ service: 'test', endpoint, metrics });
  for (let index = 0; index < count; index++) await withSpan('work', {}, () => Promise.resolve());
  // What it could not send comes out of it; it ends with the first batch of those.
  await tracing.shutdown().catch(() => undefined);
  tracing = undefined;
  return async (...outcomes: readonly string[]): Promise<number> => {
    const text = await metrics.render();
    const of = (outcome: string): number =>
      Number(new RegExp(`gradus_trace_spans_total\\{outcome="${outcome}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
    return outcomes.reduce((sum, outcome) => sum + of(outcome), 0);
  };
}

test('spans that a collector took are counted as sent, all of those that ended before the end', async () => {
  using collector = await startOtlpCollector();
  const counted = await makeSpans(collector.url, 700);
  expect(await counted('sent')).toBe(700);
  expect(await counted('failed', 'dropped')).toBe(0);
  expect(collector.spans).toHaveLength(700);
});

test('P9: spans that no collector took are counted, as are those that found no room to wait', async () => {
  const counted = await makeSpans(`http://${await lastingAddress()}`, 9_000);
  await expect.poll(() => counted('failed', 'dropped')).toBe(9_000);
  expect(await counted('dropped')).toBeGreaterThan(0);
  expect(await counted('sent')).toBe(0);
});
