import { createGrpcClient } from './client.ts';
import type { CallOptions, ClientMethod, GrpcClient } from './client.ts';
import { createReplicas } from './replicas.ts';
import type { Replicas, ReplicasOptions } from './replicas.ts';
import type { AnyService, Init, MethodOf, MethodsOf } from './service-definition.ts';

/** Per method, what ties a call to one replica; calls of a method that is not here go round. */
type Keys<S extends AnyService> = {
  readonly [K in keyof MethodsOf<S>]?: MethodsOf<S>[K] extends MethodOf<'unary', infer I, infer _O>
    ? (request: Init<I>) => string
    : never;
};

export type ReplicatedClient<S extends AnyService> = {
  readonly [K in keyof MethodsOf<S>]: ClientMethod<MethodsOf<S>[K]>;
} & Pick<Replicas<GrpcClient<S>>, 'each' | 'close'>;

/** A client of a service of which there are several: calls are spread, and one that a replica does not answer is made on another. Unary methods only. */
export function createReplicatedClient<S extends AnyService>(
  service: S,
  options: Omit<ReplicasOptions<GrpcClient<S>>, 'connect'> & { readonly keys: Keys<S> },
): ReplicatedClient<S> {
  type Method = (request: unknown, call?: CallOptions) => Promise<unknown>;
  const { timeoutMs, security } = options;
  const replicas = createReplicas({
    ...options,
    connect: (address) => createGrpcClient(service, address, { timeoutMs, security }),
  });
  // The names are those of the service's own list, so the types of methods and keys are its own, too.
  const keys = options.keys as Readonly<Record<string, (request: unknown) => string>>;
  const methods = service.methods.map(({ methodKind, localName }): [string, Method] => {
    if (methodKind !== 'unary') throw new TypeError(`${service.typeName}.${localName} is not unary`);
    return [
      localName,
      (request, given) =>
        replicas.call(keys[localName]?.(request), given, (client, call) => {
          const method = client[localName as keyof typeof client] as Method;
          return method(request, call);
        }),
    ];
  });
  return {
    ...Object.fromEntries(methods),
    each: replicas.each,
    close: () => replicas.close(),
  } as unknown as ReplicatedClient<S>;
}
