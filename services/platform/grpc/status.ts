/**
 * Error to gRPC status and back. `retry-after-ms` and the structured details travel in the trailers, so that an error
 * means the same on both sides of a call.
 */
import { Metadata, status as Status } from '@grpc/grpc-js';

import { CancelledError, TerminalError, TransientError, errorFrom } from '../errors.ts';
import type { ErrorCode, ErrorDetails, GradusError } from '../errors.ts';

export const retryAfterKey = 'retry-after-ms';
const detailsKey = 'gradus-details-bin';

/** Trailers must stay small: HTTP/2 peers limit the header list to 16 KiB. */
const maxMessageBytes = 2_048;
const maxDetailsBytes = 4_096;

const statusOfCode: Readonly<Record<ErrorCode, Status>> = {
  invalid_argument: Status.INVALID_ARGUMENT,
  not_found: Status.NOT_FOUND,
  already_exists: Status.ALREADY_EXISTS,
  failed_precondition: Status.FAILED_PRECONDITION,
  unimplemented: Status.UNIMPLEMENTED,
  data_loss: Status.DATA_LOSS,
  permission_denied: Status.PERMISSION_DENIED,
  internal: Status.INTERNAL,
  unavailable: Status.UNAVAILABLE,
  resource_exhausted: Status.RESOURCE_EXHAUSTED,
  aborted: Status.ABORTED,
  cancelled: Status.CANCELLED,
  deadline_exceeded: Status.DEADLINE_EXCEEDED,
};

export interface StatusToSend {
  readonly code: Status;
  readonly details: string;
  readonly metadata: Metadata;
}

/** What a server answers for a thrown value. */
export function statusFromError(thrown: unknown): StatusToSend {
  const error = errorFrom(thrown);
  const metadata = new Metadata();
  if (error instanceof TransientError) metadata.set(retryAfterKey, String(Math.round(error.retryAfterMs)));
  if (Object.keys(error.details).length > 0) {
    const encoded = encodeDetails(error.details);
    if (encoded !== undefined) metadata.set(detailsKey, encoded);
  }
  return { code: statusOfCode[error.code], details: fitting(error.message), metadata };
}

/**
 * The message travels percent-encoded, so its bound counts that form. Half a surrogate pair, as any cut may leave, would
 * make the encoder throw after the handler has ended, where nothing catches.
 */
function fitting(message: string): string {
  let kept = message.slice(0, maxMessageBytes).toWellFormed();
  while (encodeURI(kept).length > maxMessageBytes) kept = kept.slice(0, kept.length * 0.75).toWellFormed();
  return kept;
}

function encodeDetails(details: ErrorDetails): Buffer | undefined {
  const encoded = Buffer.from(
    JSON.stringify(details, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  );
  return encoded.length <= maxDetailsBytes ? encoded : undefined;
}

function decodeDetails(metadata: Metadata | undefined): ErrorDetails {
  const [encoded] = metadata?.get(detailsKey) ?? [];
  if (!Buffer.isBuffer(encoded)) return {};
  try {
    const decoded: unknown = JSON.parse(encoded.toString('utf8'));
    return typeof decoded === 'object' && decoded !== null ? { ...decoded } : {};
  } catch {
    // A peer that writes something else here is not worth failing over: the code and the message are enough.
    return {};
  }
}

function retryAfterMs(metadata: Metadata | undefined): number | undefined {
  const [value] = metadata?.get(retryAfterKey) ?? [];
  const milliseconds = typeof value === 'string' ? Number(value) : Number.NaN;
  return Number.isFinite(milliseconds) && milliseconds >= 0 ? milliseconds : undefined;
}

export interface ReceivedStatus {
  readonly code: Status;
  readonly details: string;
  readonly metadata?: Metadata | undefined;
}

/** What a client throws for a status other than OK. `origin` names the method and the address. */
export function errorFromStatus(received: ReceivedStatus, origin: string, cause?: unknown): GradusError {
  const message = `${origin}: ${received.details || Status[received.code] || 'failed'}`;
  const options = { details: decodeDetails(received.metadata), cause };
  const transientOptions = { ...options, retryAfterMs: retryAfterMs(received.metadata) };
  switch (received.code) {
    case Status.CANCELLED:
      return new CancelledError('cancelled', message, options);
    case Status.DEADLINE_EXCEEDED:
      return new CancelledError('deadline_exceeded', message, options);
    case Status.UNAVAILABLE:
      return new TransientError('unavailable', message, transientOptions);
    case Status.ABORTED:
      return new TransientError('aborted', message, transientOptions);
    case Status.RESOURCE_EXHAUSTED:
      // The library uses this code for a message over its size limit, which no retry makes smaller.
      return /message.*larger than/i.test(received.details)
        ? new TerminalError('invalid_argument', message, options)
        : new TransientError('resource_exhausted', message, transientOptions);
    case Status.INVALID_ARGUMENT:
    case Status.OUT_OF_RANGE:
      return new TerminalError('invalid_argument', message, options);
    case Status.NOT_FOUND:
      return new TerminalError('not_found', message, options);
    case Status.ALREADY_EXISTS:
      return new TerminalError('already_exists', message, options);
    case Status.FAILED_PRECONDITION:
      return new TerminalError('failed_precondition', message, options);
    case Status.UNIMPLEMENTED:
      return new TerminalError('unimplemented', message, options);
    case Status.DATA_LOSS:
      return new TerminalError('data_loss', message, options);
    case Status.PERMISSION_DENIED:
    case Status.UNAUTHENTICATED:
      return new TerminalError('permission_denied', message, options);
    case Status.OK:
    case Status.UNKNOWN:
    case Status.INTERNAL:
      // The library's word for a connection that the peer closed under its calls; none of them is at fault.
      return /session closed|session destroyed/i.test(received.details)
        ? new TransientError('unavailable', message, transientOptions)
        : new TerminalError('internal', message, options);
  }
}
