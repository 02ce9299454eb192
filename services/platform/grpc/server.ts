/**
 * A gRPC server for generated services.
 *
 *     created --add()--> created --listen()--> SERVING --drain()--> NOT_SERVING --(calls end or time is up)--> closed
 *
 * Health is NOT_SERVING before `listen` and from `drain` on. Calls that are under way when a drain begins may finish
 * within its bound; then they are cancelled.
 */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { DescMethod } from '@bufbuild/protobuf';
import { trace } from '@opentelemetry/api';
import type { Tracer } from '@opentelemetry/api';
import { TerminalError, errorFrom } from '../errors.ts';
import type { Logger } from '../telemetry/logging.ts';
import type { Security } from '../security/security.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createAdmission } from './admission.ts';
import { auditCalls } from './audited-call.ts';
import { addHealth, addReflection } from './health-reflection.ts';
import {
  type EncodedMessage,
  maxMessageBytes,
  wireMethod,
  type AnyService,
  type Init,
  type MethodOf,
  type MethodsOf,
  type Shape,
} from './service-definition.ts';
import { createCallRunner } from './server-call.ts';
import type { CallContext } from './server-call.ts';
import { listenSecurely, type SecureListener } from './secure-listener.ts';

export type { CallContext } from './server-call.ts';

export type Handler<M> =
  M extends MethodOf<'unary', infer I, infer O>
    ? (request: Shape<I>, call: CallContext) => Promise<Init<O> | EncodedMessage<O>>
    : M extends MethodOf<'server_streaming', infer I, infer O>
      ? (request: Shape<I>, call: CallContext) => AsyncIterable<Init<O>>
      : M extends MethodOf<'client_streaming', infer I, infer O>
        ? (requests: AsyncIterable<Shape<I>>, call: CallContext) => Promise<Init<O>>
        : never;

export type Handlers<S extends AnyService> = { readonly [K in keyof MethodsOf<S>]: Handler<MethodsOf<S>[K]> };

export interface GrpcServerOptions {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tracer?: Tracer | undefined;
  /** With certificates in it: mutual TLS, and methods are for the roles that their contract names. */
  readonly security?: Security | undefined;
}

export interface GrpcServer extends AsyncDisposable {
  add<S extends AnyService>(service: S, handlers: Handlers<S>): void;
  /** Binds `host:port` (port 0: any free one), begins to serve and gives the bound address. */
  listen(address: string): Promise<string>;
  setServing(serving: boolean): void;
  /** Refuses new calls, lets running ones finish for at most `withinMs`, then cancels them. */
  drain(withinMs: number): Promise<void>;
}

export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  const server = new Server({
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    'grpc.max_concurrent_streams': 16_384,
    'grpc.enable_channelz': 0,
    // Foreign clients may ping to keep their connection.
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.http2.min_ping_interval_without_data_ms': 5_000,
  });
  const runCalls = createCallRunner(options.metrics, options.log, options.tracer ?? trace.getTracer('gradus'));
  const services: AnyService[] = [];
  let health: { setServing(serving: boolean): void } | undefined;
  let closed: Promise<void> | undefined;
  let secure: SecureListener | undefined;

  function register(service: AnyService, method: DescMethod, handler: unknown): void {
    const wire = wireMethod(service, method);
    const run = runCalls(wire.path);
    // `Handlers<S>` has tied the handler's type to the method's kind; here only the kind is left to choose by.
    const handle = handler as (request: unknown, call: CallContext) => unknown;
    const admit = createAdmission(method, () => secure?.peers, options.security);
    const { audit } = options.security ?? {};
    const untyped = auditCalls(method, { audit, peers: () => secure?.peers }, (request, call) => {
      admit(call.peer);
      return handle(request, call);
    });
    function add(func: unknown, type: 'unary' | 'serverStream' | 'clientStream'): void {
      const added = server.register(
        wire.path,
        func as Parameters<Server['register']>[1],
        wire.responseSerialize,
        wire.requestDeserialize,
        type,
      );
      if (!added) throw new TypeError(`method ${wire.path} is served twice`);
    }
    switch (method.methodKind) {
      case 'unary':
        return add(run.unary(untyped), 'unary');
      case 'server_streaming':
        return add(run.serverStreaming(untyped), 'serverStream');
      case 'client_streaming':
        return add(run.clientStreaming(untyped), 'clientStream');
      case 'bidi_streaming':
        throw new TypeError(`method ${wire.path}: calls that stream both ways are not supported`);
    }
  }

  async function bind(address: string): Promise<number> {
    const { security } = options;
    if (security?.tls !== undefined) {
      try {
        secure = await listenSecurely(server, address, security.tls, security.refusals, options.log);
      } catch (error) {
        throw bindError(address, errorFrom(error));
      }
      return secure.port;
    }
    return await new Promise((resolve, reject) => {
      server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port);
        else reject(bindError(address, error));
      });
    });
  }

  async function drain(withinMs: number): Promise<void> {
    health?.setServing(false);
    secure?.close();
    closed ??= new Promise((resolve) => {
      const timer = setTimeout(() => {
        options.log.warn({ withinMs }, 'calls were still running at the end of the drain; they are cancelled');
        server.forceShutdown();
        resolve();
      }, withinMs);
      server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    await closed;
  }

  return {
    add(service, handlers) {
      services.push(service);
      for (const method of service.methods) {
        const handler: unknown = handlers[method.localName];
        if (handler === undefined) throw new TypeError(`no handler for ${service.typeName}.${method.name}`);
        register(service, method, handler);
      }
    },
    async listen(address) {
      addReflection(server, services);
      health = addHealth(server, services);
      const port = await bind(address);
      health.setServing(true);
      return `${address.slice(0, address.lastIndexOf(':'))}:${port}`;
    },
    setServing: (serving) => health?.setServing(serving),
    drain,
    [Symbol.asyncDispose]: () => drain(0),
  };
}

function bindError(address: string, cause: Error): TerminalError {
  const reason = /EADDRINUSE/.test(cause.message)
    ? 'the port is in use by another process; choose another one, or port 0 for any free port'
    : cause.message;
  return new TerminalError('failed_precondition', `cannot listen on ${address}: ${reason}`, {
    details: { address },
    cause,
  });
}
