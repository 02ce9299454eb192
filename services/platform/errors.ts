/**
 * Errors, named by what the receiver does with them:
 *
 * | class            | the receiver                                             |
 * |------------------|----------------------------------------------------------|
 * | `TerminalError`  | gives up: the same request can never succeed             |
 * | `TransientError` | tries again, `retryAfterMs` from now at the earliest     |
 * | `CancelledError` | stops quietly: nobody waits for the outcome any more     |
 *
 * They become gRPC statuses in `grpc/status.ts` and come from NATS errors in `nats/nats-errors.ts`; nowhere else.
 */
export type TerminalCode =
  | 'invalid_argument'
  | 'not_found'
  | 'already_exists'
  | 'failed_precondition'
  | 'unimplemented'
  | 'data_loss'
  | 'permission_denied'
  | 'internal';
export type TransientCode = 'unavailable' | 'resource_exhausted' | 'aborted';
export type CancelledCode = 'cancelled' | 'deadline_exceeded';
export type ErrorCode = TerminalCode | TransientCode | CancelledCode;

export type ErrorDetails = Readonly<Record<string, unknown>>;

export interface ErrorOptionsWithDetails {
  readonly details?: ErrorDetails | undefined;
  readonly cause?: unknown;
}

/** Wait before a retry when the failing side did not say, in milliseconds. */
export const defaultRetryAfterMs = 100;

function nativeOptions(options: ErrorOptionsWithDetails | undefined): ErrorOptions | undefined {
  return options?.cause === undefined ? undefined : { cause: options.cause };
}

export class TerminalError extends Error {
  override readonly name = 'TerminalError';
  readonly code: TerminalCode;
  readonly details: ErrorDetails;

  constructor(code: TerminalCode, message: string, options?: ErrorOptionsWithDetails) {
    super(message, nativeOptions(options));
    this.code = code;
    this.details = options?.details ?? {};
  }
}

export class TransientError extends Error {
  override readonly name = 'TransientError';
  readonly code: TransientCode;
  readonly retryAfterMs: number;
  readonly details: ErrorDetails;

  constructor(
    code: TransientCode,
    message: string,
    options?: ErrorOptionsWithDetails & { readonly retryAfterMs?: number | undefined },
  ) {
    super(message, nativeOptions(options));
    this.code = code;
    this.retryAfterMs = options?.retryAfterMs ?? defaultRetryAfterMs;
    this.details = options?.details ?? {};
  }
}

export class CancelledError extends Error {
  override readonly name = 'CancelledError';
  readonly code: CancelledCode;
  readonly details: ErrorDetails;

  constructor(code: CancelledCode, message: string, options?: ErrorOptionsWithDetails) {
    super(message, nativeOptions(options));
    this.code = code;
    this.details = options?.details ?? {};
  }
}

export type GradusError = TerminalError | TransientError | CancelledError;

export function isGradusError(error: unknown): error is GradusError {
  return error instanceof TerminalError || error instanceof TransientError || error instanceof CancelledError;
}

/** The error of a code that came from another thread or process. */
export function errorOfCode(code: ErrorCode, message: string, options?: ErrorOptionsWithDetails): GradusError {
  switch (code) {
    case 'invalid_argument':
    case 'not_found':
    case 'already_exists':
    case 'failed_precondition':
    case 'unimplemented':
    case 'data_loss':
    case 'permission_denied':
    case 'internal':
      return new TerminalError(code, message, options);
    case 'unavailable':
    case 'resource_exhausted':
    case 'aborted':
      return new TransientError(code, message, options);
    case 'cancelled':
    case 'deadline_exceeded':
      return new CancelledError(code, message, options);
  }
}

export const errorCodes = [
  'invalid_argument',
  'not_found',
  'already_exists',
  'failed_precondition',
  'unimplemented',
  'data_loss',
  'permission_denied',
  'internal',
  'unavailable',
  'resource_exhausted',
  'aborted',
  'cancelled',
  'deadline_exceeded',
] as const satisfies readonly ErrorCode[];

/** Errors of the operating system that go away by themselves or elsewhere. */
const transientSystemCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'EAGAIN',
]);
const exhaustedSystemCodes = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM']);

const wrongPathCodes = new Set(['EISDIR', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP']);

function systemCodeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Classifies whatever was thrown. Already classified errors come back unchanged; unknown ones are `internal`. */
export function errorFrom(thrown: unknown): GradusError {
  if (isGradusError(thrown)) return thrown;
  if (!(thrown instanceof Error)) return new TerminalError('internal', String(thrown), { cause: thrown });
  if (thrown.name === 'TimeoutError') return new CancelledError('deadline_exceeded', thrown.message, { cause: thrown });
  if (thrown.name === 'AbortError') {
    // Node wraps the reason of the signal: what aborted matters more than that something did.
    return thrown.cause === undefined
      ? new CancelledError('cancelled', thrown.message, { cause: thrown })
      : cancelledFrom(thrown.cause);
  }
  const systemCode = systemCodeOf(thrown);
  if (systemCode !== undefined && transientSystemCodes.has(systemCode)) {
    return new TransientError('unavailable', thrown.message, { cause: thrown });
  }
  if (systemCode !== undefined && exhaustedSystemCodes.has(systemCode)) {
    return new TransientError('resource_exhausted', thrown.message, { cause: thrown });
  }
  if (systemCode === 'ENOENT') return new TerminalError('not_found', thrown.message, { cause: thrown });
  if (systemCode === 'EACCES' || systemCode === 'EPERM' || systemCode === 'EROFS') {
    return new TerminalError('permission_denied', thrown.message, { cause: thrown });
  }
  if (systemCode !== undefined && wrongPathCodes.has(systemCode)) {
    return new TerminalError('invalid_argument', thrown.message, { cause: thrown });
  }
  return new TerminalError('internal', thrown.message, { cause: thrown });
}

/** The error of a wait that ended because its signal aborted with `reason`. */
export function cancelledFrom(reason: unknown): CancelledError {
  if (reason instanceof CancelledError) return reason;
  const timedOut =
    (reason instanceof Error && reason.name === 'TimeoutError') ||
    (isGradusError(reason) && reason.code === 'deadline_exceeded');
  const message = reason instanceof Error ? reason.message : 'the operation was cancelled';
  return new CancelledError(timedOut ? 'deadline_exceeded' : 'cancelled', message, { cause: reason });
}

/** Throws the `CancelledError` of an aborted signal. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelledFrom(signal.reason);
}
