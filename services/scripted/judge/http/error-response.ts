import { httpRefusal } from '#platform/http/json-server.ts';

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

/** A list of 64 answers of 32,768 characters, escaped. */
export const longestBodyBytes = 32 * 1024 * 1024;

/** Error to HTTP status and OpenAI's error object. */
export function errorResponse(thrown: unknown): ErrorResponse {
  const { status, headers, error } = httpRefusal(thrown, { longestBodyBytes });
  const field = error.details['field'];
  return {
    status,
    headers,
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
