/** Reads from the sources which metrics the services declare. */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface DeclaredMetric {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
  readonly file: string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

const typescriptCall = /\bmetrics\??\.(counter|gauge|histogram)(?:<[^>]*>)?\(\s*(?=')/g;
// `observe` is the engine's gauge that is read when asked for.
const pythonCall = /\b(Counter|Gauge|Histogram|observe)\(\s*(?=")/g;

/** The arguments of a call whose opening parenthesis ends at `start`, as one string. */
function callText(text: string, start: number): string {
  let depth = 1;
  let quote = '';
  for (let at = start; at < text.length; at += 1) {
    const letter = text[at] ?? '';
    if (quote !== '') {
      if (letter === '\\') at += 1;
      else if (letter === quote) quote = '';
    } else if (letter === "'" || letter === '"' || letter === '`') quote = letter;
    else if ('([{'.includes(letter)) depth += 1;
    else if (')]}'.includes(letter)) depth -= 1;
    if (depth === 0) return text.slice(start, at);
  }
  return text.slice(start);
}

function literals(text: string): string[] {
  return [...text.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g)].map(([, single, double]) =>
    (single ?? double ?? '').replace(/\\(.)/g, '$1'),
  );
}

function declaration(type: DeclaredMetric['type'], call: string, file: string): DeclaredMetric | undefined {
  const list = /\[([^\]]*)\]/.exec(call.replace(/(?:buckets\s*=\s*)[[(][^\])]*[\])]/, ''));
  const [name = '', ...help] = literals(list === null ? call : call.slice(0, call.indexOf(list[0])));
  if (!name.startsWith('gradus_')) return undefined;
  return { name, type, labels: list === null ? [] : literals(list[1] ?? ''), help: help.join(''), file };
}

const pythonTypes = { Counter: 'counter', Gauge: 'gauge', Histogram: 'histogram', observe: 'gauge' } as const;

export function declaredMetrics(): DeclaredMetric[] {
  const found: DeclaredMetric[] = [];
  const sources = globSync('services/**/*.{ts,py}', { cwd: root, exclude: ['**/node_modules/**'] });
  for (const file of sources.toSorted()) {
    if (/\.test\.ts$|\/tests\//.test(file)) continue;
    const text = readFileSync(`${root}/${file}`, 'utf8');
    const python = file.endsWith('.py');
    for (const match of text.matchAll(python ? pythonCall : typescriptCall)) {
      const kind = match[1] ?? '';
      const type = python ? pythonTypes[kind as keyof typeof pythonTypes] : (kind as DeclaredMetric['type']);
      const metric = declaration(type, callText(text, match.index + match[0].length), file);
      if (metric === undefined) continue;
      // The Python client appends it by itself.
      const suffix = python && type === 'counter' && !metric.name.endsWith('_total') ? '_total' : '';
      found.push({ ...metric, name: metric.name + suffix });
    }
  }
  return found;
}
