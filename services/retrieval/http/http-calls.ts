/** One HTTP request as a call: signal, deadline, trace and answer. Its metrics are in `http-metrics.ts`. */
import { SpanKind, TraceFlags, context, trace, type Context, type Span } from '@opentelemetry/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CancelledError, TransientError, type ErrorCode, type GradusError } from '#platform/errors.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import { extractTrace, recordError } from '#platform/telemetry/tracing.ts';
import { httpRefusal } from '#platform/http/json-server.ts';

export interface HttpCallOptions {
  readonly log: Logger;
  readonly timeoutMs: number;
  readonly overloadStatus: 429 | 503;
  /** From then on connections are closed when their request is answered. */
  readonly stopping: () => boolean;
}

export interface HttpCalls {
  /** A Fastify handler that answers with what `work` gives, as JSON. */
  answer(
    name: string,
    work: (body: unknown, signal: AbortSignal) => object | Promise<object>,
  ): (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;
  /** Runs `work` with a signal that aborts when the caller is gone, at a deadline and at the end of a drain. */
  run<T>(
    name: string,
    request: FastifyRequest,
    reply: FastifyReply,
    work: (signal: AbortSignal) => Promise<T>,
    withinMs?: number,
  ): Promise<T>;
  /** Sends the response of an error. */
  refuse(reply: FastifyReply, thrown: unknown): FastifyReply;
  /** For answers that are sent without `answer`. */
  closeIfStopping(reply: FastifyReply): void;
  /** Ends what still runs. */
  cutOff(): void;
}

export function createHttpCalls({ log, timeoutMs, overloadStatus, stopping }: HttpCallOptions): HttpCalls {
  const running = new Set<AbortController>();

  async function run<T>(
    name: string,
    request: FastifyRequest,
    reply: FastifyReply,
    work: (signal: AbortSignal) => Promise<T>,
    withinMs = timeoutMs,
  ): Promise<T> {
    const ended = new AbortController();
    const onClose = (): void =>
      ended.abort(new CancelledError('cancelled', `${name}: the caller closed the connection`));
    const onTimeout = (): void =>
      ended.abort(new CancelledError('deadline_exceeded', `${name} took longer than ${withinMs} ms`));
    reply.raw.once('close', onClose);
    // One controller for all three reasons, since every request pays for it.
    const timer = setTimeout(onTimeout, withinMs);
    running.add(ended);
    const parent = extractTrace({ get: (key) => request.headers[key], set: () => undefined });
    const span = spanUnder(name, parent);
    try {
      return await context.with(trace.setSpan(parent, span), work, undefined, ended.signal);
    } catch (error) {
      recordError(span, error);
      throw error;
    } finally {
      span.end();
      clearTimeout(timer);
      running.delete(ended);
      reply.raw.off('close', onClose);
    }
  }

  function refuse(reply: FastifyReply, thrown: unknown): FastifyReply {
    const { status, headers, body, error } = errorResponse(thrown, overloadStatus);
    if (error.code === 'internal')
      log.error({ err: thrown }, 'an HTTP request failed because of a fault in this service');
    closeIfStopping(reply);
    return reply.code(status).headers(headers).send(body);
  }

  function closeIfStopping(reply: FastifyReply): void {
    if (stopping()) void reply.header('connection', 'close');
  }

  return {
    answer: (name, work) => async (request, reply) => {
      try {
        const answer = await run(name, request, reply, async (signal) => await work(request.body, signal));
        closeIfStopping(reply);
        void reply.type('application/json; charset=utf-8');
        // Faster than to return what `send` gives, which waits until everything is written.
        return JSON.stringify(answer);
      } catch (error) {
        return refuse(reply, error);
      }
    },
    run,
    refuse,
    closeIfStopping,
    cutOff() {
      for (const left of running) left.abort(new TransientError('unavailable', 'the service stops; ask another one'));
    },
  };
}

/** Under a trace that nobody records there is nothing to record: its ids go on, without a span of our own. */
function spanUnder(name: string, parent: Context): Span {
  const caller = trace.getSpanContext(parent);
  return caller !== undefined && (caller.traceFlags & TraceFlags.SAMPLED) === 0
    ? trace.wrapSpanContext(caller)
    : trace
        .getTracer('gradus')
        .startSpan(
          name,
          { kind: SpanKind.SERVER, attributes: { 'http.route': name.slice(name.indexOf('/')) } },
          parent,
        );
}

export interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** `detail` is where clients of the servers that this one stands in for look for the reason. */
  readonly body: { readonly detail: string; readonly code: ErrorCode };
  readonly error: GradusError;
}

export const longestBodyBytes = 16 * 1024 * 1024;
/** A request is a list of at most 8,192 queries and a few fields; clients may send fields of their own. */
export const jsonBounds = { mostValues: 100_000, mostDepth: 64 };

/** `overloadStatus` stands for `resource_exhausted`. */
export function errorResponse(thrown: unknown, overloadStatus: 429 | 503 = 429): ErrorResponse {
  const refusal = httpRefusal(thrown, { longestBodyBytes, overloadStatus });
  const { message: detail, code } = refusal.error;
  return { ...refusal, body: { detail, code } };
}
