/**
 * Typed clients of generated services. One client is one HTTP/2 connection, and more of them where very many calls are under way
 * (`channels.ts`).
 */
import { Metadata } from '@grpc/grpc-js';
import type { CallOptions as WireCallOptions, Client } from '@grpc/grpc-js';
import type { DescMethod } from '@bufbuild/protobuf';

import { TransientError, cancelledFrom, throwIfCancelled } from '../errors.ts';
import { injectTrace } from '../telemetry/tracing.ts';
import { serverOf } from '../security/roles.ts';
import type { Security } from '../security/security.ts';
import { createChannels } from './channels.ts';
import { callClientStream, callServerStream, callUnary } from './client-call.ts';
import type { CallTarget } from './client-call.ts';
import { wireMethod } from './service-definition.ts';
import type { AnyService, Init, MethodOf, MethodsOf, Shape } from './service-definition.ts';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Deadline of the whole call, in milliseconds from now; the client's default when absent. */
  readonly timeoutMs?: number | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export type ClientMethod<M> =
  M extends MethodOf<'unary', infer I, infer O>
    ? (request: Init<I>, options?: CallOptions) => Promise<Shape<O>>
    : M extends MethodOf<'server_streaming', infer I, infer O>
      ? (request: Init<I>, options?: CallOptions) => AsyncIterable<Shape<O>>
      : M extends MethodOf<'client_streaming', infer I, infer O>
        ? (requests: AsyncIterable<Init<I>>, options?: CallOptions) => Promise<Shape<O>>
        : never;

export type GrpcClient<S extends AnyService> = {
  readonly [K in keyof MethodsOf<S>]: ClientMethod<MethodsOf<S>[K]>;
} & {
  /** Waits until the channel is connected; `TransientError` when that takes longer than `timeoutMs`. */
  ready(options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined }): Promise<void>;
  close(): void;
};

export interface ClientOptions {
  /** Default deadline of a call, in milliseconds. */
  readonly timeoutMs: number;
  /** With certificates in it: mutual TLS, with a server whose certificate is of the role that serves this contract. */
  readonly security?: Security | undefined;
}

export function createGrpcClient<S extends AnyService>(
  service: S,
  address: string,
  options: ClientOptions,
): GrpcClient<S> {
  const channels = createChannels(address, options.security, serverOf(service));

  function wireOptions(call: CallOptions | undefined): WireCallOptions {
    return { deadline: Date.now() + (call?.timeoutMs ?? options.timeoutMs) };
  }

  function metadataFor(call: CallOptions | undefined): Metadata {
    const metadata = new Metadata();
    if (call?.metadata !== undefined) {
      for (const [key, value] of Object.entries(call.metadata)) metadata.set(key, value);
    }
    injectTrace(metadata);
    return metadata;
  }

  function methodFor(method: DescMethod): unknown {
    const wire = wireMethod(service, method);
    const origin = `${service.name}.${method.name} at ${address}`;
    const target = (): CallTarget => ({ channel: channels.take(), wire, origin });
    switch (method.methodKind) {
      case 'unary':
        return async (request: unknown, call?: CallOptions) => {
          throwIfCancelled(call?.signal);
          return await callUnary(target(), request, metadataFor(call), wireOptions(call), call?.signal);
        };
      case 'server_streaming':
        return (request: unknown, call?: CallOptions) =>
          callServerStream(
            target,
            request,
            () => metadataFor(call),
            () => wireOptions(call),
            call?.signal,
          );
      case 'client_streaming':
        return async (requests: AsyncIterable<unknown>, call?: CallOptions) => {
          throwIfCancelled(call?.signal);
          return await callClientStream(target(), requests, metadataFor(call), wireOptions(call), call?.signal);
        };
      case 'bidi_streaming':
        throw new TypeError(`${service.typeName}.${method.name}: calls that stream both ways are not supported`);
    }
  }

  const methods = Object.fromEntries(service.methods.map((method) => [method.localName, methodFor(method)]));
  // Built from the service's own list of methods, so its keys and kinds are those of the type.
  return {
    ...methods,
    ready: (wait: Parameters<GrpcClient<S>['ready']>[0]) => waitForReady(channels.first, address, wait),
    close: () => channels.close(),
  } as unknown as GrpcClient<S>;
}

function waitForReady(
  client: Client,
  address: string,
  wait: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const { signal, timeoutMs } = wait;
    const onAbort = (): void => reject(cancelledFrom(signal?.reason));
    if (signal?.aborted === true) {
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    client.waitForReady(Date.now() + timeoutMs, (error) => {
      signal?.removeEventListener('abort', onAbort);
      if (error === undefined || error === null) resolve();
      else {
        reject(
          new TransientError('unavailable', `no service answers at ${address} after ${timeoutMs} ms`, {
            details: { address },
            cause: error,
          }),
        );
      }
    });
  });
}
