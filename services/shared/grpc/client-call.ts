/** One outgoing call: cancellation by signal, flow control, and errors in our own classes. */
import type {
  CallOptions as WireCallOptions,
  Client,
  ClientReadableStream,
  ClientWritableStream,
  Metadata,
  ServiceError,
} from '@grpc/grpc-js';

import { cancelledFrom, throwIfCancelled } from '../errors.ts';
import type { GradusError } from '../errors.ts';
import type { WireMethod } from './service-definition.ts';
import { errorFromStatus } from './status.ts';

export interface CallTarget {
  readonly client: Client;
  readonly wire: WireMethod;
  /** Method and address, for messages. */
  readonly origin: string;
}

function errorOf(target: CallTarget, error: ServiceError, signal: AbortSignal | undefined): GradusError {
  // The signal is the reason when it fired, whatever status the cancelled call ended with.
  return signal?.aborted === true
    ? cancelledFrom(signal.reason)
    : errorFromStatus({ code: error.code, details: error.details, metadata: error.metadata }, target.origin, error);
}

/** Calls `cancel` when the signal aborts; gives the function that stops watching. */
function cancelOnAbort(call: { cancel(): void }, signal: AbortSignal | undefined): () => void {
  if (signal === undefined) return () => {};
  const onAbort = (): void => call.cancel();
  signal.addEventListener('abort', onAbort, { once: true });
  return () => signal.removeEventListener('abort', onAbort);
}

export function callUnary(
  target: CallTarget,
  request: unknown,
  metadata: Metadata,
  options: WireCallOptions,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const { client, wire } = target;
    // The library formats a stack trace for every call, in case it fails; our errors name method and address.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    const call = client.makeUnaryRequest(
      wire.path,
      wire.requestSerialize,
      wire.responseDeserialize,
      request,
      metadata,
      options,
      (error, response) => {
        release();
        if (error === null) resolve(response);
        else reject(errorOf(target, error, signal));
      },
    );
    Error.stackTraceLimit = stackTraceLimit;
    const release = cancelOnAbort(call, signal);
  });
}

export async function callClientStream(
  target: CallTarget,
  requests: AsyncIterable<unknown>,
  metadata: Metadata,
  options: WireCallOptions,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const { client, wire } = target;
  let over = false;
  let call: ClientWritableStream<unknown> | undefined;
  const answered = new Promise<unknown>((resolve, reject) => {
    call = client.makeClientStreamRequest(
      wire.path,
      wire.requestSerialize,
      wire.responseDeserialize,
      metadata,
      options,
      (error, response) => {
        over = true;
        if (error === null) resolve(response);
        else reject(errorOf(target, error, signal));
      },
    );
  });
  const stream = call;
  if (stream === undefined) throw new TypeError('the call was not started');
  const release = cancelOnAbort(stream, signal);
  // A write to a call that has ended fails; the call's own status says why.
  stream.on('error', () => {});

  async function send(sink: ClientWritableStream<unknown>): Promise<void> {
    for await (const request of requests) {
      // The server may answer, or fail, before it has read everything.
      if (over) return;
      if (!sink.write(request)) await drained(sink, answered);
    }
    sink.end();
  }

  const sent = send(stream).catch((error: unknown) => {
    stream.cancel();
    throw error;
  });
  try {
    // A failure of `requests` counts before the CANCELLED status that it causes.
    return await Promise.race([answered, sent.then(() => answered)]);
  } finally {
    release();
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
  target: CallTarget,
  request: unknown,
  metadata: () => Metadata,
  options: () => WireCallOptions,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown, void, void> {
  throwIfCancelled(signal);
  const { client, wire } = target;
  const call: ClientReadableStream<unknown> = client.makeServerStreamRequest(
    wire.path,
    wire.requestSerialize,
    wire.responseDeserialize,
    request,
    metadata(),
    options(),
  );
  const release = cancelOnAbort(call, signal);
  // Cancelling makes the call report its status once more, after the reader has gone.
  call.on('error', () => {});
  try {
    for await (const response of call) yield response;
  } catch (thrown) {
    throw isServiceError(thrown) ? errorOf(target, thrown, signal) : thrown;
  } finally {
    release();
    call.cancel();
  }
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'number' && 'details' in thrown;
}
