/** From a generated protobuf-es service to what grpc-js serves and calls. */
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type DescService,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2';

/** Largest message in either direction. */
export const maxMessageBytes = 64 * 1024 * 1024;

/** Any generated service. */
export type AnyService = GenService<GenServiceMethods>;
export type MethodsOf<S extends AnyService> = S['method'];

type Kind = 'unary' | 'server_streaming' | 'client_streaming' | 'bidi_streaming';
export interface MethodOf<K extends Kind, I extends DescMessage, O extends DescMessage> {
  readonly methodKind: K;
  readonly input: I;
  readonly output: O;
}

export type Init<D extends DescMessage> = MessageInitShape<D>;
export type Shape<D extends DescMessage> = MessageShape<D>;

export interface WireMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (message: unknown) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => unknown;
  readonly responseSerialize: (message: unknown) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => unknown;
}

function encoder(schema: DescMessage): (message: unknown) => Buffer {
  return (message) => {
    if (message instanceof EncodedMessage) return message.bytes;
    // Handlers and callers are typed; a plain object becomes a message here, a message is taken as it is.
    const bytes = toBinary(schema, create(schema, message as MessageInitShape<DescMessage>));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function decoder(schema: DescMessage): (bytes: Buffer) => unknown {
  return (bytes) => fromBinary(schema, bytes);
}

export function wireMethod(service: DescService, method: DescMethod): WireMethod {
  return {
    path: `/${service.typeName}/${method.name}`,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: encoder(method.input),
    requestDeserialize: decoder(method.input),
    responseSerialize: encoder(method.output),
    responseDeserialize: decoder(method.output),
  };
}

/** A message that is in its wire format already: a handler may give one in place of what its schema describes. */
export class EncodedMessage<D extends DescMessage> {
  readonly schema: D;
  readonly bytes: Buffer;

  constructor(schema: D, bytes: Buffer) {
    this.schema = schema;
    this.bytes = bytes;
  }
}
