import { conclusionOf } from './conclusion.ts';

/** The one JSON object of a reply: the whole of it, in a code block, or amid talk. Undefined when there is none or several. */
export function findJson(reply: string): Readonly<Record<string, unknown>> | undefined {
  // Before thoughts are looked for: a string of the object may speak of <think>.
  const whole = parseObject(reply);
  if (whole !== undefined) return whole;
  const text = conclusionOf(reply);
  let found: Readonly<Record<string, unknown>> | undefined;
  for (let at = text.indexOf('{'); at >= 0;) {
    const end = endOfObject(text, at);
    // Without an end there is nothing further in that closes.
    if (end === undefined) return found;
    const candidate = parseObject(text.slice(at, end));
    if (candidate !== undefined) {
      // Two objects: which of them is meant?
      if (found !== undefined) return undefined;
      found = candidate;
    }
    at = text.indexOf('{', end);
  }
  return found;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : undefined;
  } catch {
    return undefined;
  }
}

/** Index after the brace that closes the one at `start`. Linear in the text. */
function endOfObject(text: string, start: number): number | undefined {
  let depth = 0;
  let quoted = false;
  for (let at = start; at < text.length; at += 1) {
    const letter = text[at];
    if (quoted) {
      if (letter === '\\') at += 1;
      else if (letter === '"') quoted = false;
    } else if (letter === '"') quoted = true;
    else if (letter === '{') depth += 1;
    else if (letter === '}') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return undefined;
}
