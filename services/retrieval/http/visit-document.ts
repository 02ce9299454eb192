import { TerminalError } from '#platform/errors.ts';
import { shortText } from '#platform/text/show-value.ts';
import type { DocumentPart } from '../retriever.ts';
import { idsOfLink } from './document-link.ts';
import type { Finder } from './find.ts';
import { invalid } from './request-fields.ts';

/** Longest link or id, in UTF-16 units. */
const longestLink = 4_096;

/** The document that a link or an id names; `not_found` when the corpus has none of the ids it may mean. */
export async function visitDocument(
  { retriever, events }: Finder,
  link: string,
  options: {
    readonly name: string;
    readonly part: number;
    readonly partCharacters: number;
    readonly signal: AbortSignal;
  },
): Promise<DocumentPart> {
  const { name, ...part } = options;
  if (link.length > longestLink)
    throw invalid(`${name}: ${link.length} characters long; at most ${longestLink} are read`);
  const ids = idsOfLink(link);
  if (ids.length === 0) throw invalid(`${name}: empty; give an id that a search found`);
  const found = (await retriever.fetch(ids, part)).find((document) => document !== undefined);
  events.fetched(found === undefined ? 0 : 1, found === undefined ? 1 : 0);
  if (found === undefined) {
    throw new TerminalError(
      'not_found',
      `${name}: the corpus has no document '${shortText(link, 200)}'; give an id that a search found`,
    );
  }
  if (options.part >= found.parts) {
    throw invalid(
      `part: ${options.part}; document '${shortText(found.id, 200)}' has the parts 0 to ${found.parts - 1}`,
    );
  }
  return found;
}
