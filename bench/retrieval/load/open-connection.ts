import type { Connection } from './connection.ts';
import { createGrpcConnection } from './grpc-connection.ts';
import { createHttpConnection } from './http-connection.ts';

export function openConnection(protocol: 'grpc' | 'http', address: string): Connection {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon);
  const port = Number(address.slice(colon + 1));
  return protocol === 'http' ? createHttpConnection(host, port) : createGrpcConnection(host, port);
}
