/** Callers that were refused, for who looks and for who is told: counted by edge and reason, and logged, a few a minute. */
import type { Logger } from '../telemetry/logging.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export type Edge = 'grpc' | 'http' | 'nats';
/** `certificate`: none, a foreign one, or one that is over. `role`: a known peer may not ask this. `token`: none that is known. `rate`: it asks too often. */
export type RefusalReason = 'certificate' | 'role' | 'token' | 'rate';

export interface Refusals {
  count(edge: Edge, reason: RefusalReason, about: Readonly<Record<string, unknown>>): void;
}

const mostLinesPerMinute = 20;
const minuteMs = 60_000;

export function createRefusals(metrics: Metrics, log: Logger, now: () => number = () => performance.now()): Refusals {
  const refused = metrics.counter(
    'gradus_requests_refused_total',
    'Callers refused for who they are, or are not, or for how often they ask.',
    ['edge', 'reason'],
  );
  let sinceMs = now();
  let lines = 0;
  let unsaid = 0;
  return {
    count(edge, reason, about) {
      refused.inc({ edge, reason });
      if (now() - sinceMs >= minuteMs) {
        if (unsaid > 0) log.warn({ refused: unsaid }, 'more callers were refused than the log holds lines of');
        sinceMs = now();
        lines = 0;
        unsaid = 0;
      }
      lines += 1;
      if (lines <= mostLinesPerMinute) log.warn({ edge, reason, ...about }, 'a caller was refused');
      else unsaid += 1;
    },
  };
}
