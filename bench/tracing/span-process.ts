/**
 * CPU of the traces of rollouts alone, without rollouts: `node span-process.ts SHARE ENDPOINT TRACES`, where SHARE is `off` or 0 to 1. Prints CPU
 * microseconds of this process for each trace, what is sent at the end included. A trace has the spans of one of three turns.
 */
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { countedSpans } from '#platform/telemetry/counted-spans.ts';
import { injectTrace, spanIdsOf, startTracing, withSpan } from '#platform/telemetry/tracing.ts';
import { withGeneration, withToolCall } from '#platform/telemetry/gen-ai.ts';

const [share = 'off', endpoint, count = '20000'] = process.argv.slice(2);
const ratio = share === 'off' ? 0 : Number(share);
const processor = ratio === 0 ? undefined : countedSpans(new OTLPTraceExporter({ url: endpoint ?? '' }), undefined);
const tracing = await startTracing({ service: 'bench', ...(processor !== undefined && { processor, ratio }) });

/** What one process has most of: a span for the rollout, for each turn and tool, and for each call that it answers. */
const turns = 3;
const calls = 5;

async function playTrace(index: number): Promise<void> {
  const attributes = {
    'gradus.run': 'bench',
    'gradus.stage': 'play',
    'gradus.rollout': String(index),
    'gradus.group': String(index),
    'gradus.environment': 'search',
    'gradus.purpose': 'train',
    'gradus.attempt': 0,
  };
  await withSpan(
    'gradus.rollout',
    attributes,
    async () => {
      for (let turn = 0; turn < turns; turn++) {
        await withGeneration(
          { inputTokens: 100, maxTokens: 96, temperature: 1, topP: 1, seed: 1n },
          () => Promise.resolve(injectTrace(new Map<string, string>())),
          () => ({ outputTokens: 40, finishReason: 'stop', model: 'policy@1' }),
        );
        if (turn > 0) await withToolCall('websearch', () => Promise.resolve());
      }
      for (let call = 0; call < calls; call++)
        await withSpan('gradus.policy.v1.PolicyService/Generate', { 'rpc.system': 'grpc' }, () => Promise.resolve());
    },
    { root: spanIdsOf('bench', String(index)) },
  );
}

/** Each time a batch is full it is waited for: what nobody has room for is left out, and would seem to cost nothing. */
const tracesPerBatch = ratio === 0 ? Infinity : Math.floor(512 / 11 / ratio);

async function playTraces(from: number, to: number): Promise<void> {
  for (let index = from; index < to; index++) {
    await playTrace(index);
    if ((index + 1) % tracesPerBatch === 0) await processor?.forceFlush();
  }
}

const traces = Number(count);
await playTraces(-2000, 0);
await processor?.forceFlush();
const before = process.cpuUsage();
await playTraces(0, traces);
await tracing.shutdown();
const { user, system } = process.cpuUsage(before);
process.stdout.write(`${JSON.stringify({ cpuMicrosecondsPerTrace: (user + system) / traces })}\n`);
