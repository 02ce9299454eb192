import type { Episode } from './scorer.ts';

/** Elements that the policy writes. Their text counts as inside. */
const actionTags: ReadonlySet<string> = new Set(['tool', 'tool_call', 'answer']);

/** All tags of the formats; the others (the environment's, and think) must balance too, but nothing in them counts as inside. */
const anyTag = /<(\/?)(tool|tool_call|answer|result|tool_response|think)>/g;

const endMarker = /^<\|[a-z_]{1,32}\|>$/;

/** Mean over the turns of `scoreXmlOfTurn`; 0 without a turn. */
export function scoreXml({ turns }: Episode): number {
  if (turns.length === 0) return 0;
  let sum = 0;
  for (const { text } of turns) sum += scoreXmlOfTurn(text);
  return sum / turns.length;
}

export type XmlReading =
  /** Non-blank characters inside action elements (tags included), and all of the turn's. */
  | { readonly kind: 'read'; readonly inside: number; readonly all: number }
  | { readonly kind: 'broken'; readonly problem: string };

/** 0 when the turn's tags are broken; else the share of its non-blank characters that stand inside action elements. */
export function scoreXmlOfTurn(turnText: string): number {
  const reading = readXml(turnText);
  return reading.kind === 'broken' ? 0 : reading.inside / reading.all;
}

/** Broken: a tag of the format is unclosed, unopened or nested, or there is no action element at all. */
export function readXml(turnText: string): XmlReading {
  const text = withoutEndMarkers(turnText);
  let open: { readonly name: string; readonly start: number } | undefined;
  let inside = 0;
  for (const match of text.matchAll(anyTag)) {
    const [tag, slash, name = ''] = match;
    if (slash === '') {
      if (open !== undefined) return broken(`<${name}> opens inside <${open.name}>`);
      open = { name, start: match.index };
      continue;
    }
    if (open?.name !== name) {
      return broken(open === undefined ? `</${name}> closes nothing` : `</${name}> closes <${open.name}>`);
    }
    if (actionTags.has(name)) inside += nonBlank(text.slice(open.start, match.index + tag.length));
    open = undefined;
  }
  if (open !== undefined) return broken(`<${open.name}> is not closed`);
  return inside === 0 ? broken('no action element') : { kind: 'read', inside, all: nonBlank(text) };
}

function broken(problem: string): XmlReading {
  return { kind: 'broken', problem };
}

function nonBlank(text: string): number {
  return text.replace(/\s+/gu, '').length;
}

/** End-of-sequence markers stand outside the elements by nature. */
function withoutEndMarkers(text: string): string {
  let rest = text.trimEnd();
  while (rest.endsWith('|>')) {
    const start = rest.lastIndexOf('<|');
    if (start < 0 || !endMarker.test(rest.slice(start))) return rest;
    rest = rest.slice(0, start).trimEnd();
  }
  return rest;
}
