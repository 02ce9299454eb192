import { TraceFlags } from '@opentelemetry/api';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { Metrics } from './metrics.ts';

/** Spans that wait to be sent; those that end while so many wait are left out. */
const mostWaiting = 8_192;

/**
 * Sends spans in batches, and counts what becomes of each: nothing waits for a collector that does not answer, and what it did not get is
 * known. `0` is success of the exporter.
 */
export function countedSpans(exporter: SpanExporter, metrics: Metrics | undefined): SpanProcessor {
  const spans = metrics?.counter(
    'gradus_trace_spans_total',
    'Spans of recorded traces by what became of them: sent, failed where the collector did not take them, dropped where too many waited.',
    ['outcome'],
  );
  let waiting = 0;
  const batches = new BatchSpanProcessor(
    {
      export(batch, done) {
        waiting -= batch.length;
        exporter.export(batch, (result) => {
          const { code }: { readonly code: number } = result;
          spans?.inc({ outcome: code === 0 ? 'sent' : 'failed' }, batch.length);
          done(result);
        });
      },
      shutdown: () => exporter.shutdown(),
      ...(exporter.forceFlush !== undefined && { forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve() }),
    },
    { maxQueueSize: mostWaiting, exportTimeoutMillis: 5_000 },
  );
  return {
    onStart: (span, context) => batches.onStart(span, context),
    onEnd(span) {
      if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return;
      if (waiting >= mostWaiting) {
        spans?.inc({ outcome: 'dropped' });
        return;
      }
      waiting += 1;
      batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  };
}
