import type { Recipe } from './schema.ts';

const mostNamed = 10;

/** `seed: 3 -> 4; stages[0].until.steps: 10 -> (nothing)`: where two recipes differ, for people; empty where they do not. */
export function describeDifference(before: Recipe, after: Recipe): string {
  const found = [...differences(before, after, '')];
  const more = found.length > mostNamed ? [`and ${found.length - mostNamed} more`] : [];
  return [...found.slice(0, mostNamed), ...more].join('; ');
}

function* differences(before: unknown, after: unknown, path: string): Generator<string> {
  if (Object.is(before, after)) return;
  const [was, is] = [entriesOf(before), entriesOf(after)];
  if (was === undefined || is === undefined || Array.isArray(before) !== Array.isArray(after)) {
    yield `${path}: ${shown(before)} -> ${shown(after)}`;
    return;
  }
  for (const key of new Set([...was.keys(), ...is.keys()])) {
    const at = Array.isArray(before) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    yield* differences(was.get(key), is.get(key), at);
  }
}

function entriesOf(value: unknown): Map<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : undefined;
}

function shown(value: unknown): string {
  const text = value === undefined ? '(nothing)' : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
