import type { z } from 'zod';
import { linkOf } from '../http/document-link.ts';
import type { Finder } from '../http/find.ts';
import { invalid } from '../http/request-fields.ts';
import { visitDocument } from '../http/visit-document.ts';
import { limits } from '../limits.ts';
import type { scrapeInput } from './tool-schemas.ts';

/** A part of a document: by id in our form, by url in that of Serper's server. */
export async function scrape(
  finder: Finder,
  { id, url, part, includeMarkdown }: z.output<typeof scrapeInput>,
  signal: AbortSignal,
): Promise<object> {
  const link = id ?? url;
  if (link === undefined || (id !== undefined && url !== undefined)) {
    throw invalid('id, url: give one of them, the id that websearch or the link that google_search gave');
  }
  const document = await visitDocument(finder, link, {
    name: id === undefined ? 'url' : 'id',
    part,
    partCharacters: limits.partCharacters.default,
    signal,
  });
  const { title, text, parts, characters } = document;
  const markdown = includeMarkdown ? { markdown: title === '' || part > 0 ? text : `# ${title}\n\n${text}` } : {};
  return id === undefined
    ? { text, ...markdown, metadata: { title, url: linkOf(document.id), part, parts, characters } }
    : { id: document.id, title, text, ...markdown, part, parts, characters };
}
