import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DescribeResponseSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import type { Retriever } from '../retriever.ts';
import { modeToProto } from './search-mode.ts';

/** What this service searches, and how. */
export function describe(retriever: Retriever): MessageInitShape<typeof DescribeResponseSchema> {
  const { documents, passages, terms, indexBytes, defaultMode, missing, ...rest } = retriever.describe();
  return {
    ...rest,
    documents: BigInt(documents),
    passages: BigInt(passages),
    terms: BigInt(terms),
    indexBytes: BigInt(indexBytes),
    defaultMode: modeToProto(defaultMode),
    missing: [...missing],
  };
}
