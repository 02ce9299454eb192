import type { HttpRefusal } from '#platform/http/json-server.ts';
import type { DialectRefusal } from '../dialect.ts';

const typeOfStatus: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
};

/** An error as Anthropic's clients read it. */
export function anthropicRefusal({ status, error }: HttpRefusal): DialectRefusal {
  const { reason = error.code } = error.details;
  const type = typeOfStatus[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
  const told = { type, message: error.message, details: { error_code: reason } };
  return { status, body: { type: 'error', error: told, request_id: null } };
}
