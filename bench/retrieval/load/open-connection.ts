import type { Connection } from './connection.ts';
import { createGrpcConnection, encodeGrpcCall } from './grpc-connection.ts';
import { createHttpConnection, encodeHttpCall } from './http-connection.ts';
import { create, toBinary } from '@bufbuild/protobuf';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { SearchRequestSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import type { GeneratorPlan } from './generator-plan.ts';

export function openConnection(protocol: 'grpc' | 'http', address: string): Connection {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon);
  const port = Number(address.slice(colon + 1));
  return protocol === 'http' ? createHttpConnection(host, port) : createGrpcConnection(host, port);
}

/** The bytes of a call that searches one query as the server does by default: our gRPC, or Search-R1's `POST /retrieve`. */
export function encodeCall(
  { protocol, address, topK, timeoutMs }: Pick<GeneratorPlan, 'protocol' | 'address' | 'topK' | 'timeoutMs'>,
  query: string,
): Buffer {
  if (protocol === 'http') {
    return encodeHttpCall('/retrieve', address, JSON.stringify({ queries: [query], topk: topK, return_scores: true }));
  }
  const request = create(SearchRequestSchema, { queries: [query], topK });
  const path = `/${RetrievalService.typeName}/${RetrievalService.method.search.name}`;
  return encodeGrpcCall(path, address, Math.ceil(timeoutMs / 1000), toBinary(SearchRequestSchema, request));
}
