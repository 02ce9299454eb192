/**
 * One outgoing call: cancellation by signal, flow control, and errors in our own classes. A caller that aborts is answered at once;
 * the peer learns it as its connection's reset budget allows.
 */
import { status as Status } from '@grpc/grpc-js';
import type {
  CallOptions as WireCallOptions,
  ClientReadableStream,
  ClientWritableStream,
  Metadata,
  ServiceError,
} from '@grpc/grpc-js';

import { cancelledFrom, throwIfCancelled } from '../errors.ts';
import type { CancelledError, GradusError } from '../errors.ts';
import type { Channel } from './channels.ts';
import type { WireMethod } from './service-definition.ts';
import { errorFromStatus } from './status.ts';

export interface CallTarget {
  readonly channel: Channel;
  readonly wire: WireMethod;
  /** Method and address, for messages. */
  readonly origin: string;
}

function errorOf(target: CallTarget, error: ServiceError): GradusError {
  return errorFromStatus({ code: error.code, details: error.details, metadata: error.metadata }, target.origin, error);
}

/** The end of one call: counted once, and no reset is sent after it. */
interface CallEnd {
  /** The call has its status. One that reached its deadline was reset by the library, which counts too. */
  ended(status: { readonly code: Status } | null): void;
  /** Cancels the call, unless it has ended. */
  cancel(): void;
}

function watchCall(
  { channel }: CallTarget,
  call: { cancel(): void },
  signal: AbortSignal | undefined,
  onAbort: (error: CancelledError) => void,
): CallEnd {
  let over = false;
  let withdraw: (() => void) | undefined;

  function cancel(): void {
    if (!over) withdraw ??= channel.resets.spend(() => call.cancel());
  }
  function abort(): void {
    cancel();
    onAbort(cancelledFrom(signal?.reason));
  }
  signal?.addEventListener('abort', abort, { once: true });
  return {
    ended(status) {
      if (over) return;
      over = true;
      channel.inFlight -= 1;
      withdraw?.();
      if (status?.code === Status.DEADLINE_EXCEEDED) channel.resets.spend(() => undefined);
      signal?.removeEventListener('abort', abort);
    },
    cancel,
  };
}

export function callUnary(
  target: CallTarget,
  request: unknown,
  metadata: Metadata,
  options: WireCallOptions,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const { channel, wire } = target;
    // The library formats a stack trace for every call, in case it fails; our errors name method and address.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    const call = channel.client.makeUnaryRequest(
      wire.path,
      wire.requestSerialize,
      wire.responseDeserialize,
      request,
      metadata,
      options,
      (error, response) => {
        end.ended(error);
        if (error === null) resolve(response);
        else reject(errorOf(target, error));
      },
    );
    Error.stackTraceLimit = stackTraceLimit;
    const end = watchCall(target, call, signal, reject);
  });
}

export async function callClientStream(
  target: CallTarget,
  requests: AsyncIterable<unknown>,
  metadata: Metadata,
  options: WireCallOptions,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const { channel, wire } = target;
  const { promise: answered, resolve, reject } = Promise.withResolvers<unknown>();
  let over = false;
  const finish = (settle: () => void): void => {
    over = true;
    settle();
  };
  const stream = channel.client.makeClientStreamRequest(
    wire.path,
    wire.requestSerialize,
    wire.responseDeserialize,
    metadata,
    options,
    (error, response) => {
      end.ended(error);
      finish(() => (error === null ? resolve(response) : reject(errorOf(target, error))));
    },
  );
  const end = watchCall(target, stream, signal, (error) => finish(() => reject(error)));
  // A write to a call that has ended fails; the call's own status says why.
  stream.on('error', () => {});

  async function send(sink: ClientWritableStream<unknown>): Promise<void> {
    for await (const request of requests) {
      // The server may answer, or fail, before it has read everything.
      if (over) return;
      if (!sink.write(request)) await drained(sink, answered);
    }
    if (!over) sink.end();
  }

  const sent = send(stream).catch((error: unknown) => {
    end.cancel();
    throw error;
  });
  try {
    // A failure of `requests` counts before the CANCELLED status that it causes.
    return await Promise.race([answered, sent.then(() => answered)]);
  } finally {
    // Whichever lost the race is over soon; its outcome is the same failure, seen from the other side.
    answered.catch(() => {});
    sent.catch(() => {});
  }
}

async function drained(stream: ClientWritableStream<unknown>, answered: Promise<unknown>): Promise<void> {
  let onDrain = (): void => {};
  const drain = new Promise<void>((resolve) => {
    onDrain = resolve;
    stream.once('drain', resolve);
  });
  try {
    await Promise.race([
      drain,
      answered.then(
        () => {},
        () => {},
      ),
    ]);
  } finally {
    stream.off('drain', onDrain);
  }
}

/** The call starts with the first read, and is cancelled when the reader stops early. */
export async function* callServerStream(
  open: () => CallTarget,
  request: unknown,
  metadata: () => Metadata,
  options: () => WireCallOptions,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown, void, void> {
  throwIfCancelled(signal);
  const target = open();
  const { channel, wire } = target;
  const call: ClientReadableStream<unknown> = channel.client.makeServerStreamRequest(
    wire.path,
    wire.requestSerialize,
    wire.responseDeserialize,
    request,
    metadata(),
    options(),
  );
  const end = watchCall(target, call, signal, (error) => call.destroy(error));
  call.once('status', (status) => end.ended(status));
  // Cancelling makes the call report its status once more, after the reader has gone.
  call.on('error', () => {});
  try {
    for await (const response of call) yield response;
  } catch (thrown) {
    throw isServiceError(thrown) ? errorOf(target, thrown) : thrown;
  } finally {
    end.cancel();
  }
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'number' && 'details' in thrown;
}
