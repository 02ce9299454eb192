/** Runs handlers: signal, deadline, trace, metrics and status of one call. */
import { setImmediate as nextTurn } from 'node:timers/promises';

import { status as Status } from '@grpc/grpc-js';
import type {
  Metadata,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
} from '@grpc/grpc-js';
import { SpanKind, TraceFlags, context, trace } from '@opentelemetry/api';
import type { Context, Span, Tracer } from '@opentelemetry/api';

import { CancelledError, cancelledFrom } from '../errors.ts';
import type { Logger } from '../telemetry/logging.ts';
import { durationBuckets } from '../telemetry/metrics.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { extractTrace, recordError } from '../telemetry/tracing.ts';
import { statusFromError } from './status.ts';

export interface CallContext {
  /** Aborts when the caller cancels, when the call's deadline passes, and when a drain runs out of time. */
  readonly signal: AbortSignal;
  /** When the caller stops waiting, in milliseconds since the epoch; absent when it waits forever. */
  readonly deadlineMs?: number;
  readonly metadata: Metadata;
  /** Address of the caller. */
  readonly peer: string;
}

/** The caller counts from before the call travelled, so it gives up a little before the deadline that arrives here. */
const deadlineSlackMs = 50;

type Untyped = (request: unknown, call: CallContext) => unknown;

interface AnyCall extends Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getPeer' | 'getDeadline'> {
  on(event: 'cancelled', listener: () => void): unknown;
}

interface Running {
  readonly context: CallContext;
  /** Runs inside the call's span. */
  inSpan<T>(fn: () => T): T;
  /** Ends span and metrics, once. */
  finish(code: Status, thrown?: unknown): void;
}

export function createCallRunner(metrics: Metrics, log: Logger, tracer: Tracer) {
  const handled = metrics.counter('gradus_grpc_requests_total', 'RPCs answered.', ['method', 'code']);
  const seconds = metrics.histogram('gradus_grpc_request_seconds', 'Time to answer an RPC.', durationBuckets, [
    'method',
  ]);
  const running = metrics.gauge('gradus_grpc_running_requests', 'RPCs being worked on.', ['method']);

  /** `path` is `/package.Service/Method`. */
  return (path: string) => {
    const spanName = path.slice(1);
    const runningHere = running.labels(spanName);
    const secondsHere = seconds.labels(spanName);
    const attributes = { 'rpc.system.name': 'grpc', 'rpc.method': spanName };

    /** Under a trace that nobody records there is nothing to record: its ids go on, without a span of our own. */
    function spanUnder(parent: Context): Span {
      const caller = trace.getSpanContext(parent);
      return caller !== undefined && (caller.traceFlags & TraceFlags.SAMPLED) === 0
        ? trace.wrapSpanContext(caller)
        : tracer.startSpan(spanName, { kind: SpanKind.SERVER, attributes }, parent);
    }

    function begin(call: AnyCall): Running {
      const startedMs = performance.now();
      runningHere.inc();
      const parent = extractTrace(call.metadata);
      const span = spanUnder(parent);
      const active = trace.setSpan(parent, span);
      const controller = new AbortController();
      const deadline = call.getDeadline();
      const deadlineMs = typeof deadline === 'number' ? deadline : deadline.getTime();
      let finished = false;
      call.on('cancelled', () => {
        // Also emitted after a normal end, when nobody listens any more.
        if (finished) return;
        controller.abort(
          Date.now() >= deadlineMs - deadlineSlackMs
            ? new CancelledError('deadline_exceeded', `${spanName}: the caller's deadline has passed`)
            : new CancelledError('cancelled', `${spanName}: the caller cancelled`),
        );
      });
      return {
        context: {
          signal: controller.signal,
          metadata: call.metadata,
          peer: call.getPeer(),
          ...(Number.isFinite(deadlineMs) ? { deadlineMs } : {}),
        },
        inSpan: (fn) => context.with(active, fn),
        finish(code, thrown) {
          if (finished) return;
          finished = true;
          runningHere.dec();
          secondsHere.observe((performance.now() - startedMs) / 1_000);
          handled.inc({ method: spanName, code: Status[code].toLowerCase() }, 1);
          if (span.isRecording()) {
            span.setAttribute('rpc.response.status_code', Status[code]);
            if (thrown !== undefined) recordError(span, thrown);
          }
          span.end();
        },
      };
    }

    function answerFor(call: Running, thrown: unknown): ReturnType<typeof statusFromError> {
      const answer = statusFromError(thrown);
      if (answer.code === Status.INTERNAL)
        log.error({ err: thrown, path }, 'a call failed because of a fault in this service');
      call.finish(answer.code, thrown);
      return answer;
    }

    return {
      unary:
        (handler: Untyped) =>
        (wireCall: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>): void => {
          const call = begin(wireCall);
          call
            .inSpan(async () => await handler(wireCall.request, call.context))
            .then(
              (response) => {
                call.finish(Status.OK);
                callback(null, response);
              },
              (thrown: unknown) => callback(answerFor(call, thrown)),
            );
        },

      clientStreaming:
        (handler: Untyped) =>
        (wireCall: ServerReadableStream<unknown, unknown>, callback: sendUnaryData<unknown>): void => {
          const call = begin(wireCall);
          call
            .inSpan(async () => await handler(requestsOf(wireCall, call.context.signal), call.context))
            .then(
              (response) => {
                call.finish(Status.OK);
                callback(null, response);
              },
              (thrown: unknown) => callback(answerFor(call, thrown)),
            )
            // A handler may answer without having read everything; what is left has to flow for the call to end.
            .finally(() => wireCall.resume());
        },

      serverStreaming:
        (handler: Untyped) =>
        (wireCall: ServerWritableStream<unknown, unknown>): void => {
          const call = begin(wireCall);
          call
            .inSpan(async () => {
              // `Handler` says that a server-streaming method gives an async iterable.
              const responses = handler(wireCall.request, call.context) as AsyncIterable<unknown>;
              for await (const response of responses) await write(wireCall, response, call.context.signal);
            })
            .then(
              () => {
                call.finish(Status.OK);
                wireCall.end();
              },
              (thrown: unknown) => {
                wireCall.emit('error', answerFor(call, thrown));
              },
            );
        },
    };
  };
}

/** The requests of a stream; a cancelled call ends it with an error rather than as if the caller had finished. */
async function* requestsOf(
  call: ServerReadableStream<unknown, unknown>,
  signal: AbortSignal,
): AsyncGenerator<unknown, void, void> {
  try {
    for await (const request of call.iterator({ destroyOnReturn: false })) {
      if (signal.aborted) throw cancelledFrom(signal.reason);
      yield request;
    }
  } catch (error) {
    if (signal.aborted) throw cancelledFrom(signal.reason);
    throw error;
  }
  // A reset by the caller first ends the stream as if all had been sent; that it was a reset is known only once the
  // stream has closed, a turn of the event loop later.
  await nextTurn();
  await nextTurn();
  if (signal.aborted) throw cancelledFrom(signal.reason);
}

/** Writes one message and waits while the caller reads more slowly than we write. */
function write(call: ServerWritableStream<unknown, unknown>, message: unknown, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(cancelledFrom(signal.reason));
      return;
    }
    if (call.write(message)) {
      resolve();
      return;
    }
    const onAbort = (): void => {
      call.off('drain', onDrain);
      reject(cancelledFrom(signal.reason));
    };
    const onDrain = (): void => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    };
    call.once('drain', onDrain);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
