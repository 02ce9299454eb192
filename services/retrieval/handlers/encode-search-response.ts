import { SearchResponseSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import { EncodedMessage } from '#platform/grpc/service-definition.ts';
import type { EncodedAnswer } from '../serving/serving-retriever.ts';
import { modeToProto } from './search-mode.ts';

/** Field numbers and wire types of `SearchResponse`, as tags. */
const tag = { results: 0x0a, indexVersion: 0x12, mode: 0x18, reranked: 0x20 } as const;

/** The longest varint of a length below 2^35. */
const mostLengthBytes = 5;

/** Puts the hits that were encoded in search threads into one response, without reading them. */
export function encodeSearchResponse(answer: EncodedAnswer): EncodedMessage<typeof SearchResponseSchema> {
  const { results, indexVersion, mode, reranked } = answer;
  const most = results.reduce((sum, hits) => sum + hits.length + 1 + mostLengthBytes, indexVersion.length + 16);
  const bytes = Buffer.allocUnsafe(most);
  let at = 0;
  for (const hits of results) {
    bytes[at] = tag.results;
    at = writeVarint(bytes, hits.length, at + 1);
    bytes.set(hits, at);
    at += hits.length;
  }
  bytes[at] = tag.indexVersion;
  at = writeVarint(bytes, indexVersion.length, at + 1);
  // Hexadecimal digits.
  at += bytes.write(indexVersion, at, 'latin1');
  bytes[at] = tag.mode;
  bytes[at + 1] = modeToProto(mode);
  at += 2;
  if (reranked) {
    bytes[at] = tag.reranked;
    bytes[at + 1] = 1;
    at += 2;
  }
  return new EncodedMessage(SearchResponseSchema, bytes.subarray(0, at));
}

function writeVarint(bytes: Buffer, value: number, position: number): number {
  let at = position;
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 128;
  bytes[at] = rest;
  return at + 1;
}
