/** Publishing: stored durably, or a clear error at the deadline. */
import { create, toBinary } from '@bufbuild/protobuf';
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf';
import { headers as createHeaders } from '@nats-io/transport-node';
import type { MsgHdrs } from '@nats-io/transport-node';

import { deadlineSignal } from '../async/deadline-signal.ts';
import { retry } from '../async/retry.ts';
import { CancelledError, TerminalError, TransientError, errorFrom, type GradusError } from '../errors.ts';
import { injectTrace } from '../telemetry/tracing.ts';
import type { Nats } from './connect.ts';
import { onLink } from './link.ts';
import { errorFromNats, isMissingResource, isNoAnswer } from './nats-errors.ts';
import { ensureStreams } from './streams.ts';

export interface PublishOptions {
  /** The same id published again within the duplicate window is stored once. */
  readonly messageId: string;
  /**
   * Stored only if the newest message of the subject has this sequence (0: there is none); else `failed_precondition`, which
   * `isWrongSequence` recognises.
   */
  readonly afterSequence?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How long to try while NATS is unavailable. Default 30 s. */
  readonly timeoutMs?: number | undefined;
}

export interface Published {
  /** Position in the stream. */
  readonly sequence: number;
  /** True when a message with this id was there already. */
  readonly duplicate: boolean;
}

/** One try. Longer than a busy disk takes, short enough for a second one within the deadline. */
const attemptMs = 5_000;
/** With the waits between tries, some three seconds. */
const missesToBelieve = 8;

/** Stores a message, durably: resolves once the stream has confirmed it. */
export async function publishMessage<D extends DescMessage>(
  nats: Nats,
  subject: string,
  schema: D,
  message: MessageInitShape<D>,
  options: PublishOptions,
): Promise<Published> {
  return await publishBytes(nats, subject, toBinary(schema, create(schema, message)), options, schema.typeName);
}

/** As `publishMessage`, for bytes; `what` names them in errors. */
export async function publishBytes(
  nats: Nats,
  subject: string,
  data: Uint8Array,
  options: PublishOptions,
  what: string,
): Promise<Published> {
  const headers = headersFor(options);
  checkSize(nats, subject, data, headers, what);
  const timeoutMs = options.timeoutMs ?? 30_000;
  using deadline = deadlineSignal(options.signal, timeoutMs, `publishing ${what} to ${subject}`);
  let last: GradusError | undefined;
  let missing = 0;

  async function attempt(): Promise<Published> {
    await nats.link.whenUp(deadline.signal);
    try {
      const publish = () =>
        nats.js.publish(subject, data, {
          msgID: options.messageId,
          headers,
          timeout: attemptMs,
          retries: 1,
          ...(options.afterSequence !== undefined && { expect: { lastSubjectSequence: options.afterSequence } }),
        });
      const ack = await onLink(nats.link, deadline.signal, publish);
      return { sequence: ack.seq, duplicate: ack.duplicate };
    } catch (thrown) {
      if (isNoAnswer(thrown)) missing = await lookForStream(nats, subject, options, missing, deadline.signal);
      throw errorFromNats(thrown, `publishing ${what} to ${subject}`);
    }
  }

  try {
    return await retry(attempt, {
      signal: deadline.signal,
      baseMs: 50,
      maxMs: 1_000,
      onRetry: (error) => (last = error),
    });
  } catch (thrown) {
    const error = errorFrom(thrown);
    // The caller's own cancellation stays one; our deadline means that NATS was unavailable for all of it.
    if (!(error instanceof CancelledError) || options.signal?.aborted === true) throw error;
    if (last?.code === 'resource_exhausted') {
      throw new TransientError(
        'resource_exhausted',
        `${what} could not be stored on ${subject} within ${timeoutMs} ms, because there is no room: ${last.message}; ` +
          'wait until it is emptied, or give the stream more (max_bytes)',
        { cause: last, retryAfterMs: 1_000 },
      );
    }
    throw new TransientError(
      'unavailable',
      `${what} could not be stored on ${subject} within ${timeoutMs} ms: ${last?.message ?? 'NATS is not connected'}`,
      { cause: last ?? error, retryAfterMs: 1_000 },
    );
  }
}

/**
 * A stream that was deleted is made again, and the message is its first. One that must follow others cannot go on there: they
 * went with the stream. Gives how often in a row the stream was missed; a server that is starting may not know it at once.
 */
async function lookForStream(
  nats: Nats,
  subject: string,
  { afterSequence = 0 }: PublishOptions,
  missing: number,
  signal: AbortSignal,
): Promise<number> {
  try {
    await onLink(nats.link, signal, () => nats.jsm.streams.find(subject));
    return 0;
  } catch (thrown) {
    if (!isMissingResource(thrown)) return 0;
    if (afterSequence === 0) {
      nats.log.error({ subject }, 'the stream of this subject is gone; it is made again');
      await ensureStreams(nats);
      return 0;
    }
    if (missing + 1 < missesToBelieve) return missing + 1;
    throw new TerminalError('not_found', `there is no stream for ${subject} any more; it was deleted`, {
      cause: thrown,
    });
  }
}

function headersFor(options: PublishOptions): MsgHdrs {
  const headers = createHeaders();
  for (const [key, value] of Object.entries(options.headers ?? {})) headers.set(key, value);
  injectTrace(headers);
  return headers;
}

function checkSize(nats: Nats, subject: string, data: Uint8Array, headers: MsgHdrs, what: string): void {
  const limit = nats.nc.info?.max_payload ?? 1024 * 1024;
  // The server counts the header block too; the library adds the message id to it.
  const headerBytes = headers.keys().reduce((sum, key) => sum + key.length + headers.get(key).length + 4, 256);
  if (data.length + headerBytes > limit) {
    throw new TerminalError(
      'invalid_argument',
      `${what} for ${subject} has ${data.length} bytes, more than the NATS server takes (max_payload ${limit}); ` +
        'raise max_payload in the server, or make the message smaller',
      { details: { sizeBytes: data.length, limitBytes: limit } },
    );
  }
}
