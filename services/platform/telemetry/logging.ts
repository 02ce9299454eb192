/** Structured logs: one JSON object a line on stderr (stdout carries only the line with the bound addresses). */
import { isSpanContextValid, trace } from '@opentelemetry/api';
import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';
import { visibleText } from '../text/visible-text.ts';

export type { Logger } from 'pino';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LoggerOptions {
  readonly service: string;
  readonly level: LogLevel;
  /** Where lines go; stderr when absent. */
  readonly destination?: DestinationStream | undefined;
}

export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      level: options.level,
      base: { service: options.service },
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.errWithCause, error: pino.stdSerializers.errWithCause },
      // JSON escapes most of what a terminal would act on, and leaves C1 controls and marks of direction.
      hooks: { streamWrite: visibleText },
      redact: { paths: ['*.authorization', 'authorization', '*.password', 'password'], censor: '***' },
      mixin() {
        const span = trace.getActiveSpan()?.spanContext();
        if (span === undefined || !isSpanContextValid(span)) return {};
        return { trace_id: span.traceId, span_id: span.spanId };
      },
    },
    options.destination ?? standardError(),
  );
}

/** Lines that cannot be written wait here, and the newest are dropped beyond it. */
const mostWaitingBytes = 1024 * 1024;

function standardError(): DestinationStream {
  // Synchronous, so that the last lines of a process that dies are not lost.
  const destination = pino.destination({ dest: 2, sync: true, maxLength: mostWaitingBytes });
  // A full disk must not end the service that reports it.
  destination.on('error', () => undefined);
  return destination;
}
