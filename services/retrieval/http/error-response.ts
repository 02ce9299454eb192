import type { ErrorCode, GradusError } from '#platform/errors.ts';
import { httpRefusal } from '#platform/http/json-server.ts';

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
