/** Error to HTTP status, the only place where they meet. `services/platform/grpc/status.ts` is its sibling. */
import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import type { ErrorCode, GradusError } from '#platform/errors.ts';

export interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** `detail` is where clients of the servers that this one stands in for look for the reason. */
  readonly body: { readonly detail: string; readonly code: ErrorCode };
  readonly error: GradusError;
}

/** Clients of Search-R1's family retry 500, 502, 503 and 504, and take every 4xx as final. */
const statusOfCode: Readonly<Record<ErrorCode, number>> = {
  invalid_argument: 400,
  not_found: 404,
  already_exists: 409,
  failed_precondition: 400,
  unimplemented: 501,
  data_loss: 500,
  permission_denied: 403,
  internal: 500,
  unavailable: 503,
  resource_exhausted: 429,
  aborted: 503,
  // nginx's; nobody is left to read it, so it only shows in the metrics.
  cancelled: 499,
  deadline_exceeded: 504,
};

export const longestBodyBytes = 16 * 1024 * 1024;
/** A request is a list of at most 8,192 queries and a few fields; clients may send fields of their own. */
export const jsonBounds = { mostValues: 100_000, mostDepth: 64 };

/** What Fastify refuses before a route is asked: with its own status, and our words where its own name no remedy. */
function refusedByServer(thrown: unknown): { readonly status: number; readonly reason: string } | undefined {
  if (!(thrown instanceof Error && 'statusCode' in thrown && 'code' in thrown)) return undefined;
  const { statusCode: status, code, message } = thrown;
  if (typeof status !== 'number' || status < 400 || status > 499) return undefined;
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return { status, reason: 'content-type: give application/json' };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return { status, reason: `body: at most ${longestBodyBytes} bytes are read` };
  return { status, reason: message };
}

/** `overloadStatus` stands for `resource_exhausted`. */
export function errorResponse(thrown: unknown, overloadStatus: 429 | 503 = 429): ErrorResponse {
  const refused = refusedByServer(thrown);
  const error = refused === undefined ? errorFrom(thrown) : new TerminalError('invalid_argument', refused.reason);
  return {
    status: refused?.status ?? (error.code === 'resource_exhausted' ? overloadStatus : statusOfCode[error.code]),
    headers:
      error instanceof TransientError
        ? { 'retry-after': String(Math.max(1, Math.ceil(error.retryAfterMs / 1_000))) }
        : {},
    body: { detail: error.message, code: error.code },
    error,
  };
}
