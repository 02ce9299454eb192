import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DescribeResponseSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import type { RetrievalConfig } from '../config.ts';
import type { Library } from '../library.ts';

/** What this service searches, and how. */
export function describe(
  library: Library,
  { analyzer, k1, b }: Pick<RetrievalConfig, 'analyzer' | 'k1' | 'b'>,
): MessageInitShape<typeof DescribeResponseSchema> {
  return {
    documents: BigInt(library.documents),
    terms: BigInt(library.terms),
    indexVersion: library.indexVersion,
    corpusPath: library.corpusPath,
    analyzer,
    k1,
    b,
  };
}
