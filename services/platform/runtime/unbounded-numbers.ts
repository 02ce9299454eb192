import { z } from 'zod';
import { longestWaitMs } from './fleet-bounds.ts';

/**
 * Where a schema takes a number without a finite bound on both sides: `path: lacks a minimum`. For the tests that keep every field of
 * recipes and configs bounded (zod gives every whole number the bounds of what a double holds exactly: those do not count). JSON values of people's own (`z.json()`) are theirs to bound.
 */
export function unboundedNumbers(schema: z.ZodType): string[] {
  const found: string[] = [];
  visit(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), '', found);
  return found;
}

function visit(node: unknown, path: string, found: string[]): void {
  if (typeof node !== 'object' || node === null) return;
  const field: Readonly<Record<string, unknown>> = { ...node };
  const isNumber = field['type'] === 'number' || field['type'] === 'integer';
  if (isNumber && field['const'] === undefined && field['enum'] === undefined) {
    const most = field['type'] === 'integer' ? Number.MAX_SAFE_INTEGER : Infinity;
    const bounded = (value: unknown) => typeof value === 'number' && Math.abs(value) < most;
    const maximum = field['maximum'] ?? field['exclusiveMaximum'];
    if (!bounded(field['minimum'] ?? field['exclusiveMinimum'])) found.push(`${path}: lacks a minimum`);
    if (!bounded(maximum)) found.push(`${path}: lacks a maximum`);
    else if (isWait(path) && Number(maximum) > longestWaitMs) found.push(`${path}: is longer than a timer can be`);
  }
  for (const [key, inner] of Object.entries(field)) {
    if (key === '$defs' || key === 'default') continue;
    const below = key === 'properties' || /^(?:any|one|all)Of$/.test(key);
    for (const [name, child] of below && typeof inner === 'object' && inner !== null ? Object.entries(inner) : [])
      visit(child, key === 'properties' ? `${path}.${name}`.replace(/^\./, '') : path, found);
    if (key === 'items') visit(inner, `${path}[]`, found);
    if (key === 'additionalProperties') visit(inner, `${path}.*`, found);
  }
}

/** A time that somebody waits, by the unit in its name. */
function isWait(path: string): boolean {
  return /(?:_ms|Ms)$/.test(path);
}
