/**
 * The JSON of a request's body. What it costs is known before it is parsed: an object of a million keys or a million
 * brackets keeps `JSON.parse`, and with it everybody else's requests, busy for seconds; text costs nearly nothing.
 */
import { TerminalError } from '../errors.ts';

export interface JsonBounds {
  /** Values, keys not counted: commas and colons and what they part. */
  readonly mostValues: number;
  /** Objects and lists within each other. */
  readonly mostDepth: number;
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openList = 0x5b;
const openObject = 0x7b;
const closeList = 0x5d;
const closeObject = 0x7d;

/** Throws TerminalError('invalid_argument') that begins with `body:`. */
export function parseJsonBody(bytes: Buffer, bounds: JsonBounds): unknown {
  const text = textOfBody(bytes, bounds);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** The same checks for a body that somebody else parses. */
export function textOfBody(bytes: Buffer, { mostValues, mostDepth }: JsonBounds): string {
  const found = measureJson(bytes, mostDepth);
  if (found.depth > mostDepth) throw invalid(`its values lie more than ${mostDepth} deep; give a flatter one`);
  if (found.values > mostValues) throw invalid(`holds ${found.values} values; give at most ${mostValues}`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalid('not UTF-8; encode it as UTF-8');
  }
}

/** One pass over the bytes, right for whatever is JSON; what is not is found by the parser. Ends early when too deep. */
function measureJson(bytes: Buffer, mostDepth: number): { readonly values: number; readonly depth: number } {
  let values = 1;
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === quote) {
      at = endOfString(bytes, at + 1);
    } else if (byte === comma || byte === colon) {
      values += 1;
    } else if (byte === openList || byte === openObject) {
      depth += 1;
      values += 1;
      deepest = Math.max(deepest, depth);
      if (depth > mostDepth) break;
    } else if (byte === closeList || byte === closeObject) {
      depth -= 1;
    }
  }
  return { values, depth: deepest };
}

/** Of the quotation mark that ends the string, or the end of the bytes. */
function endOfString(bytes: Buffer, start: number): number {
  let at = start;
  for (let byte = bytes[at]; byte !== undefined && byte !== quote; byte = bytes[at]) at += byte === backslash ? 2 : 1;
  return at;
}

function invalid(problem: string): TerminalError {
  return new TerminalError('invalid_argument', `body: ${problem}`);
}
