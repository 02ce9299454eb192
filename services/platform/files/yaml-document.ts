import { LineCounter, isMap, isScalar, parseDocument, visit } from 'yaml';
import type { Document, ParsedNode } from 'yaml';
import { TerminalError } from '../errors.ts';
import { shortText } from '../text/show-value.ts';

export interface YamlDocument {
  readonly value: unknown;
  /** Line of the value at `path`, or of the nearest value around it. */
  lineOf(path: readonly (string | number)[]): number | undefined;
}

/** Recipes and configs are written by people; parsing costs much more than reading, so the length comes first. */
const mostCharacters = 1024 * 1024;
/** Brackets that are open at once, wherever they stand; the parser calls itself for each. */
const mostBrackets = 500;

/**
 * YAML, and so JSON, of a file that a person writes; `merge` allows `<<`. Throws TerminalError('invalid_argument') that begins
 * with `file:line`.
 */
export function parseYamlDocument(text: string, file: string, { merge = false } = {}): YamlDocument {
  if (text.length > mostCharacters) {
    throw invalid(file, `${text.length} characters long; at most ${mostCharacters} are read`);
  }
  if (openBrackets(text) > mostBrackets) throw invalid(file, tooDeep);
  const lines = new LineCounter();
  const lineAt = (offset: number): number => lines.linePos(offset).line;
  let document: Document.Parsed;
  try {
    // The library looks for double keys by comparing each with all before it; `findDoubleKey` needs one pass.
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge, uniqueKeys: false });
  } catch (cause) {
    throw invalid(file, cause instanceof RangeError ? tooDeep : `not YAML: ${String(cause)}`, cause);
  }
  const broken = document.errors[0];
  if (broken !== undefined) {
    throw invalid(
      `${file}:${lineAt(broken.pos[0])}`,
      broken.message.includes('call stack') ? tooDeep : `not YAML: ${shortText(broken.message, 400)}`,
    );
  }
  const double = findDoubleKey(document, merge);
  if (double !== undefined) {
    throw invalid(`${file}:${lineAt(double.offset)}`, `not YAML: '${shortText(double.key)}' is there twice`);
  }
  return {
    value: valueOf(document, file),
    lineOf(path) {
      for (let depth = path.length; depth > 0; depth -= 1) {
        const node = document.getIn(path.slice(0, depth), true);
        const start = hasRange(node) ? node.range[0] : undefined;
        if (start !== undefined) return lineAt(start);
      }
      return undefined;
    },
  };
}

const tooDeep = 'its values lie too deep in each other; give a flatter one';

function openBrackets(text: string): number {
  let open = 0;
  let most = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '[' || character === '{') most = Math.max(most, (open += 1));
    else if (character === ']' || character === '}') open -= 1;
  }
  return most;
}

function findDoubleKey(document: Document.Parsed, merge: boolean): { key: string; offset: number } | undefined {
  let found: { key: string; offset: number } | undefined;
  visit(document, {
    Map(_key, map) {
      if (!isMap<ParsedNode>(map)) return undefined;
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key) || (merge && key.value === '<<')) continue;
        if (seen.has(key.value)) {
          found = { key: String(key.value), offset: key.range?.[0] ?? 0 };
          return visit.BREAK;
        }
        seen.add(key.value);
      }
      return undefined;
    },
  });
  return found;
}

function valueOf(document: Document.Parsed, file: string): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return value;
  } catch (cause) {
    // A few lines of aliases of aliases can unfold to gigabytes.
    const why = cause instanceof Error ? cause.message : String(cause);
    throw invalid(file, `its aliases cannot be unfolded: ${why}`, cause);
  }
}

function hasRange(node: unknown): node is { readonly range: readonly number[] } {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range);
}

function invalid(place: string, problem: string, cause?: unknown): TerminalError {
  return new TerminalError('invalid_argument', `${place}: ${problem}`, {
    details: { file: place, problems: [`${place}: ${problem}`] },
    cause,
  });
}
