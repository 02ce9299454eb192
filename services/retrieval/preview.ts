/** Longest preview, in UTF-16 units. */
export const previewCharacters = 150;

/** A sentence end is preferred to a word end when it keeps at least this much of the preview. */
const sentenceFloor = 90;

const sentenceEnd = /[.!?]["'”’)\]]*(?= )/g;

/**
 * The first part of a page for a result list: at most `limit` characters, cut at a sentence end where one is near,
 * else at a word end, else (a word longer than the limit) between two characters. White space is one space. Empty only
 * when the text is. A first line that only repeats the title is left out.
 */
export function previewOf(title: string, text: string, limit: number = previewCharacters): string {
  const body = withoutTitleLine(title, text);
  // Only the start of a long page is looked at, unless that is nearly all white space.
  const start = flatten(body.slice(0, 2 * limit));
  const flat = start.length > limit ? start : flatten(body);
  if (flat.length <= limit) return flat;
  const head = flat.slice(0, limit + 1);
  let end = 0;
  for (const match of head.matchAll(sentenceEnd)) end = match.index + match[0].length;
  if (end >= Math.min(sentenceFloor, limit * 0.6)) return head.slice(0, end);
  const space = head.lastIndexOf(' ');
  if (space > 0) return head.slice(0, space);
  const hard = head.slice(0, limit);
  // Never half of a surrogate pair.
  return /[\ud800-\udbff]$/.test(hard) ? hard.slice(0, -1) : hard;
}

function flatten(text: string): string {
  return text.replace(/\s+/gu, ' ').trim();
}

function withoutTitleLine(title: string, text: string): string {
  const trimmed = text.trimStart();
  const newline = trimmed.indexOf('\n');
  if (title === '' || newline < 0 || trimmed.slice(0, newline).trim() !== title.trim()) return text;
  const rest = trimmed.slice(newline + 1);
  return rest.trim() === '' ? text : rest;
}
