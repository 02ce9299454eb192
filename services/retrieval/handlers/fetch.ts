import type { MessageInitShape } from '@bufbuild/protobuf';
import type { FetchRequest, FetchResponseSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { RetrievalEvents } from '../events.ts';
import { limits } from '../limits.ts';
import type { Retriever } from '../retriever.ts';

/** Documents by id, in the order asked, one part of each. Unknown ids are an answer, not an error. */
export async function fetch(
  retriever: Retriever,
  events: RetrievalEvents,
  { ids, part, partCharacters }: FetchRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof FetchResponseSchema>> {
  if (ids.length === 0 || ids.length > limits.ids) {
    throw new TerminalError('invalid_argument', `ids: found ${ids.length}; give 1 to ${limits.ids} of them`);
  }
  const { least, most, default: usual } = limits.partCharacters;
  if (partCharacters !== 0 && (partCharacters < least || partCharacters > most)) {
    throw new TerminalError(
      'invalid_argument',
      `part_characters: ${partCharacters}; give ${least} to ${most}, or 0 for ${usual}`,
    );
  }
  const found = await retriever.fetch(ids, { part, partCharacters: partCharacters || usual, signal });
  const documents = found.flatMap((document) =>
    document === undefined ? [] : [{ ...document, characters: BigInt(document.characters) }],
  );
  const missingIds = ids.filter((_, index) => found[index] === undefined);
  events.fetched(documents.length, missingIds.length);
  return { documents, missingIds };
}
