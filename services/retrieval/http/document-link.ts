import { trimEnd } from '#platform/text/trim-end.ts';

/**
 * Links to documents for clients that think in URLs. A corpus has no addresses of its own, so a link is `doc:` and the
 * id; an id that is a URL already is its own link.
 */
export function linkOf(id: string): string {
  return /^https?:\/\//.test(id) ? id : `doc:${encodeURIComponent(id)}`;
}

/**
 * The ids that a link may mean, likeliest first: the text itself, what stands behind `doc_` (Menlo's clients) or `doc:`
 * (ours), the `id` or the last part of an http URL. A corpus that holds the first one decides.
 */
export function idsOfLink(link: string): readonly string[] {
  const text = link.trim();
  if (text === '') return [];
  const ids = [link, text];
  const prefixed = /^doc([_:])(.+)$/s.exec(text);
  if (prefixed?.[2] !== undefined) {
    if (prefixed[1] === ':') ids.push(decoded(prefixed[2]));
    ids.push(prefixed[2]);
  }
  if (/^https?:\/\//i.test(text) && URL.canParse(text)) {
    const { pathname, searchParams } = new URL(text);
    const last = decoded(trimEnd(pathname, '/').split('/').at(-1) ?? '');
    ids.push(searchParams.get('id') ?? '', last, last.replace(/^doc[_:]/, ''));
  }
  return [...new Set(ids)].filter((id) => id !== '');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoded: it is what it is.
    return text;
  }
}
