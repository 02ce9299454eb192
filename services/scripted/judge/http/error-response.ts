import { TransientError, errorFrom, type ErrorCode } from '#platform/errors.ts';

export interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** As OpenAI writes it. */
  readonly body: {
    readonly error: {
      readonly message: string;
      readonly type: string;
      readonly param: string | null;
      readonly code: string | null;
    };
  };
}

const statusOfCode: Readonly<Record<ErrorCode, number>> = {
  invalid_argument: 400,
  not_found: 404,
  already_exists: 409,
  failed_precondition: 400,
  unimplemented: 405,
  data_loss: 500,
  permission_denied: 403,
  internal: 500,
  unavailable: 503,
  resource_exhausted: 429,
  aborted: 503,
  cancelled: 499,
  deadline_exceeded: 504,
};

/** Error to HTTP status and OpenAI's error object. */
export function errorResponse(thrown: unknown): ErrorResponse {
  // What Fastify refuses before a route is asked has a status of its own: a body that is too large, or no JSON.
  const refused = thrown instanceof Error && 'statusCode' in thrown ? Number(thrown.statusCode) : undefined;
  const error = errorFrom(thrown);
  const status = refused ?? statusOfCode[error.code];
  const field = 'details' in error ? error.details['field'] : undefined;
  return {
    status,
    headers:
      error instanceof TransientError
        ? { 'retry-after': String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))) }
        : {},
    body: {
      error: {
        message: error.message,
        type: typeOf(status),
        param: typeof field === 'string' && field !== '' ? field : null,
        code: status === 429 ? 'rate_limit_exceeded' : null,
      },
    },
  };
}

function typeOf(status: number): string {
  if (status === 429) return 'requests';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}
