/**
 * Characters that a terminal, an editor or a reader takes for something else than what they are: control characters (they
 * move the cursor, set titles and the clipboard, CR writes over a line), marks that turn the order of the text round or hide
 * it, line ends that are none, and tags. Line feed and tab are text.
 */
const pattern =
  '[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}]';
const hidden = new RegExp(pattern, 'gu');
const hiddenOrEnd = new RegExp(`${pattern}|\\n`, 'gu');

/** Text from outside as it may be shown: what is hidden in it as an escape of JSON, so that JSON stays the same JSON. */
export function visibleText(text: string): string {
  return text.replace(hidden, escapeOf);
}

/** The same on one line. */
export function visibleLine(text: string): string {
  return text.replace(hiddenOrEnd, escapeOf);
}

function escapeOf(character: string): string {
  if (character === '\r') return String.raw`\r`;
  if (character === '\n') return String.raw`\n`;
  let escape = '';
  for (let at = 0; at < character.length; at += 1) {
    escape += String.raw`\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`;
  }
  return escape;
}
