/** NATS and JetStream errors in our own classes. */
import { JetStreamApiError, JetStreamError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';

import { TerminalError, TransientError, errorFrom, isGradusError } from '../errors.ts';
import type { GradusError } from '../errors.ts';

/** JetStream's own codes for conditions that pass: no quorum, no space, restarting, too many requests. */
const transientApiCodes = new Set([10008, 10023, 10028, 10047, 10074, 10077]);
/** Stream or consumer not found: anyone who wants it can create it again. */
const missingApiCodes = new Set([10014, 10059]);

/** A write that was bound to the newest message of its subject (`afterSequence`) found another one there. */
export function isWrongSequence(thrown: unknown): boolean {
  const error = isGradusError(thrown) ? thrown.cause : thrown;
  return error instanceof JetStreamApiError && error.code === 10071;
}

/** Nobody listens on this subject: JetStream is off or starting, or no stream takes it. The class is not exported. */
export function isNoAnswer(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'JetStreamNotEnabled';
}

export function isMissingResource(thrown: unknown): boolean {
  return thrown instanceof JetStreamApiError && missingApiCodes.has(thrown.code);
}

/** A stream of this name exists, with other settings. */
export function isNameTaken(thrown: unknown): boolean {
  return thrown instanceof JetStreamApiError && thrown.code === 10058;
}

/** `what` names the operation, for the message. */
export function errorFromNats(thrown: unknown, what: string): GradusError {
  if (isGradusError(thrown)) return thrown;
  const message = `${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  const options = { cause: thrown };
  if (thrown instanceof JetStreamApiError) {
    if (isMissingResource(thrown)) return new TerminalError('not_found', message, options);
    if (transientApiCodes.has(thrown.code) || thrown.status >= 500) {
      return new TransientError('resource_exhausted', message, options);
    }
    return new TerminalError('failed_precondition', message, options);
  }
  if (
    isNoAnswer(thrown) ||
    thrown instanceof JetStreamError ||
    thrown instanceof errors.TimeoutError ||
    thrown instanceof errors.NoRespondersError ||
    thrown instanceof errors.RequestError ||
    thrown instanceof errors.ConnectionError ||
    thrown instanceof errors.ClosedConnectionError ||
    thrown instanceof errors.DrainingConnectionError
  ) {
    return new TransientError('unavailable', message, options);
  }
  if (
    thrown instanceof errors.AuthorizationError ||
    thrown instanceof errors.UserAuthenticationExpiredError ||
    thrown instanceof errors.PermissionViolationError
  ) {
    return new TerminalError('permission_denied', message, options);
  }
  if (thrown instanceof errors.InvalidArgumentError || thrown instanceof errors.InvalidSubjectError) {
    return new TerminalError('invalid_argument', message, options);
  }
  return errorFrom(thrown);
}
