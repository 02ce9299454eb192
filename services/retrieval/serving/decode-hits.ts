import { fromBinary } from '@bufbuild/protobuf';
import { HitsSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import type { SearchHit } from '../retriever.ts';
import type { EncodedHits } from './encoded-hits.ts';

export function decodeHits(encoded: EncodedHits): readonly SearchHit[] {
  return encoded.length === 0 ? [] : fromBinary(HitsSchema, encoded).hits;
}
