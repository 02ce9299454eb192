import type { MessageInitShape } from '@bufbuild/protobuf';
import type { FetchRequest, FetchResponseSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import { TerminalError } from '#shared/errors.ts';
import type { Document } from '../corpus/parse-document.ts';
import type { RetrievalEvents } from '../events.ts';
import type { Library } from '../library.ts';

export const maxIds = 256;

/** Whole documents by id, in the order asked. Unknown ids are an answer, not an error. */
export function fetch(
  library: Library,
  events: RetrievalEvents,
  { ids }: FetchRequest,
): MessageInitShape<typeof FetchResponseSchema> {
  if (ids.length === 0 || ids.length > maxIds) {
    throw new TerminalError('invalid_argument', `ids: found ${ids.length}; give 1 to ${maxIds} of them`);
  }
  const documents: Document[] = [];
  const missingIds: string[] = [];
  for (const id of ids) {
    const document = library.fetch(id);
    if (document === undefined) missingIds.push(id);
    else documents.push(document);
  }
  events.fetched(documents.length, missingIds.length);
  return { documents, missingIds };
}
