/**
 * Traces. One rollout is one trace: its context travels in gRPC metadata and in NATS headers as W3C `traceparent`.
 * Without an endpoint nothing is recorded or exported, but ids are still made and passed on, so that logs of all
 * services can be joined.
 */
import { createHash } from 'node:crypto';
import { ROOT_CONTEXT, SpanStatusCode, TraceFlags, context, propagation, trace } from '@opentelemetry/api';
import type {
  Attributes,
  Context,
  Span,
  SpanContext,
  SpanKind,
  TextMapGetter,
  TextMapSetter,
} from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  NodeTracerProvider,
  ParentBasedSampler,
  RandomIdGenerator,
  SamplingDecision,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';
import type { Sampler, SpanProcessor } from '@opentelemetry/sdk-trace-node';
import { ATTR_SERVICE_NAME } from '@opentelemetry/semantic-conventions';

import { errorFrom } from '../errors.ts';
import { countedSpans } from './counted-spans.ts';
import type { Metrics } from './metrics.ts';

export interface TracingOptions {
  readonly service: string;
  /** OTLP over gRPC, for example `http://127.0.0.1:4317`; tracing is off when absent. */
  readonly endpoint?: string | undefined;
  /** Share of traces that is recorded, 0..1, by trace id: every service with the same share records the same ones. Default 1. */
  readonly ratio?: number | undefined;
  /** Where spans are counted that were sent, and those that were not. */
  readonly metrics?: Metrics | undefined;
  /** In place of the OTLP exporter. */
  readonly processor?: SpanProcessor | undefined;
}

export interface Tracing {
  /** Sends what is buffered, within the exporter's own bound. */
  shutdown(): Promise<void>;
}

async function otlpProcessor(endpoint: string, metrics: Metrics | undefined): Promise<SpanProcessor> {
  // Loaded only when used: it brings a second of start-up with it.
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-grpc');
  return countedSpans(new OTLPTraceExporter({ url: endpoint, timeoutMillis: 5_000 }), metrics);
}

/** Ids of a span, computed from what the span is about: others find and link it, and nothing has to be stored. */
export interface SpanIds {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
}

export function spanIdsOf(...about: readonly string[]): SpanIds {
  const digest = createHash('sha256').update(JSON.stringify(about)).digest('hex');
  return { traceId: digest.slice(0, 32), spanId: digest.slice(32, 48) };
}

/** A step links each of its rollouts. */
const mostLinks = 16_384;

/** Ids of the root span that is started right now. */
let wanted: SpanIds | undefined;
const random = new RandomIdGenerator();
const idGenerator = {
  generateTraceId: () => wanted?.traceId ?? random.generateTraceId(),
  generateSpanId: () => wanted?.spanId ?? random.generateSpanId(),
};

/** Set where a trace is recorded whatever its share, by a name that other tracers know too. */
const priorityAttribute = 'sampling.priority';

/** Whether the trace of these ids is recorded; all of them until tracing is started. */
let isRecorded = (_traceId: string): boolean => true;

/** What began elsewhere is recorded where that is; what begins here, by its trace id. */
function samplerOf(ratio: number): Sampler {
  const byTrace = new TraceIdRatioBasedSampler(ratio);
  const decided = (traceId: string) => byTrace.shouldSample(ROOT_CONTEXT, traceId);
  isRecorded = (traceId) => decided(traceId).decision === SamplingDecision.RECORD_AND_SAMPLED;
  const root: Sampler = {
    shouldSample: (_context, traceId, _name, _kind, attributes) =>
      attributes[priorityAttribute] === 1 ? { decision: SamplingDecision.RECORD_AND_SAMPLED } : decided(traceId),
    toString: () => `share ${ratio}`,
  };
  return new ParentBasedSampler({ root });
}

/** Registers the process-wide tracer. Call once, first thing in a process. */
export async function startTracing(options: TracingOptions): Promise<Tracing> {
  const processor =
    options.processor ??
    (options.endpoint === undefined ? undefined : await otlpProcessor(options.endpoint, options.metrics));
  const provider = new NodeTracerProvider({
    idGenerator,
    spanLimits: { linkCountLimit: mostLinks },
    resource: resourceFromAttributes({ [ATTR_SERVICE_NAME]: `gradus-${options.service}` }),
    ...(processor === undefined
      ? { sampler: new AlwaysOffSampler() }
      : { sampler: samplerOf(options.ratio ?? 1), spanProcessors: [processor] }),
  });
  provider.register();
  return {
    async shutdown() {
      await provider.shutdown();
      trace.disable();
      context.disable();
      propagation.disable();
      isRecorded = () => true;
    },
  };
}

export interface SpanSettings {
  readonly kind?: SpanKind;
  /** Begins a trace with these ids, whatever span is active. */
  readonly root?: SpanIds;
  /** Its parent, in place of the active span. */
  readonly parent?: SpanIds;
  readonly links?: readonly SpanIds[];
  /** Begins a trace that is recorded whatever the share of traces. For what is rare, as a training step. */
  readonly always?: boolean;
  /** By performance.now(), where it began earlier. */
  readonly startedMs?: number;
}

/** Runs `fn` inside a span; an error marks the span and is rethrown. */
export async function withSpan<T>(
  name: string,
  attributes: Attributes,
  fn: (span: Span) => Promise<T>,
  settings: SpanSettings = {},
): Promise<T> {
  const span = startSpan(name, attributes, settings);
  try {
    return await context.with(trace.setSpan(context.active(), span), () => fn(span));
  } catch (error) {
    recordError(span, error);
    throw error;
  } finally {
    span.end();
  }
}

function startSpan(
  name: string,
  attributes: Attributes,
  { kind, root, parent, links = [], always = false, startedMs }: SpanSettings,
): Span {
  const options = {
    attributes: always ? { ...attributes, [priorityAttribute]: 1 } : attributes,
    ...(kind !== undefined && { kind }),
    ...(startedMs !== undefined && { startTime: startedMs }),
    links: links.map((ids) => ({ context: contextOf(ids) })),
  };
  const within = parent === undefined ? context.active() : trace.setSpanContext(ROOT_CONTEXT, contextOf(parent));
  wanted = root;
  try {
    return trace.getTracer('gradus').startSpan(name, { ...options, root: root !== undefined || always }, within);
  } finally {
    wanted = undefined;
  }
}

function contextOf(ids: SpanIds): SpanContext {
  return { ...ids, traceFlags: isRecorded(ids.traceId) ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true };
}

/** Adds to the active span what became known while it lasted. */
export function annotateSpan(attributes: Attributes): void {
  trace.getActiveSpan()?.setAttributes(attributes);
}

/** Marks a span as failed, unless the work was only cancelled. */
export function recordError(span: Span, thrown: unknown): void {
  if (!span.isRecording()) return;
  const error = errorFrom(thrown);
  span.setAttribute('error.type', error.code);
  if (error.name === 'CancelledError') return;
  span.recordException(error);
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
}

/** What gRPC metadata and NATS headers have in common. */
export interface TraceCarrier {
  get(key: string): unknown;
  set(key: string, value: string): void;
}

const setter: TextMapSetter<TraceCarrier> = {
  set: (carrier, key, value) => carrier.set(key, value),
};

const getter: TextMapGetter<TraceCarrier> = {
  keys: () => ['traceparent', 'tracestate'],
  get(carrier, key) {
    const value = carrier.get(key);
    // gRPC metadata has a list for each key, NATS headers an empty string for a missing one.
    const first: unknown = Array.isArray(value) ? value[0] : value;
    return typeof first === 'string' && first !== '' ? first : undefined;
  },
};

/** Writes the active trace context into the carrier. */
export function injectTrace(carrier: TraceCarrier): void {
  propagation.inject(context.active(), carrier, setter);
}

/** The active context, continued with the trace that the carrier brought. */
export function extractTrace(carrier: TraceCarrier): Context {
  return propagation.extract(context.active(), carrier, getter);
}

/** Runs `fn` as part of the trace that the carrier brought. */
export function withExtractedTrace<T>(carrier: TraceCarrier, fn: () => T): T {
  return context.with(extractTrace(carrier), fn);
}
