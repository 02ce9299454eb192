import type { z } from 'zod';
import { suggest } from '#platform/runtime/suggest.ts';
import type { RecipeIssue } from './check-recipe.ts';

/** Problems that are reported one by one; more are counted. */
export const mostProblems = 50;

/**
 * What a schema found, in our words: an unknown key comes with the one that was meant. Paths begin at the schema. `input`
 * is what was parsed: its kinds say which options of unions were meant.
 */
export function issuesOf(root: z.ZodType, error: z.core.$ZodError, input?: unknown): RecipeIssue[] {
  return error.issues.flatMap((issue) => fromZod(root, issue, input));
}

function fromZod(root: unknown, issue: z.core.$ZodIssue, input: unknown): RecipeIssue[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schemaAt(root, path, input), issue.input);
    return issue.keys.map((key, at) => {
      // What is only counted needs no help.
      if (at >= mostProblems) return { path: [...path, key], message: 'unknown key', unknownKey: { meant: undefined } };
      const suggestion = suggest(key, known);
      const help = suggestion === undefined ? `known keys: ${known.join(', ')}` : `did you mean ${suggestion}?`;
      return { path: [...path, key], message: `unknown key; ${help}`, unknownKey: { meant: suggestion } };
    });
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.map((inner) => ({ path, message: `its name ${inner.message}` }));
  }
  if (issue.code === 'invalid_union' && issue.discriminator !== undefined) {
    const kinds = kindsAt(root, path, input);
    const value = hasProperty(issue.input, issue.discriminator) ? issue.input[issue.discriminator] : undefined;
    const meant = typeof value === 'string' ? suggest(value, kinds) : undefined;
    const help = meant === undefined ? `must be one of ${kinds.join(', ')}` : `unknown; did you mean ${meant}?`;
    return [{ path, message: value === undefined ? `is missing; ${help}` : help, value }];
  }
  if (issue.code === 'invalid_type' && issue.input === undefined) {
    return [{ path, message: `is missing; needs ${issue.expected}` }];
  }
  return [
    { path, message: issue.message.replace(/^Invalid input: /, '').replace(/, received .*$/, ''), value: issue.input },
  ];
}

/** Keys that a schema knows for `value`; empty where it is not an object. */
function keysAt(schema: unknown, value: unknown): string[] {
  return Object.keys(shapeOf(meantOption(schema, value) ?? schema) ?? {});
}

/** The option of a union that `value` means by its kind. */
function meantOption(schema: unknown, value: unknown): unknown {
  const kind = hasProperty(value, 'kind') ? value.kind : undefined;
  return optionsOf(schema).find((option) => kindOf(option) === kind || (kind === undefined && hasDefaultKind(option)));
}

/** Values of `kind` that a union has; `path` leads to the union or to its `kind`. */
function kindsAt(root: unknown, path: readonly (string | number)[], input: unknown): string[] {
  const union = schemaAt(root, path.at(-1) === 'kind' ? path.slice(0, -1) : path, input);
  return optionsOf(union).map((option) => String(kindOf(option)));
}

function kindOf(option: unknown): unknown {
  const shape = shapeOf(option);
  const kind = hasProperty(shape, 'kind') ? unwrap(shape.kind) : undefined;
  return hasProperty(kind, 'value') ? kind.value : undefined;
}

function hasDefaultKind(option: unknown): boolean {
  const shape = shapeOf(option);
  return hasProperty(shape, 'kind') && hasProperty(shape.kind, 'def') && hasProperty(shape.kind.def, 'innerType');
}

function schemaAt(root: unknown, path: readonly (string | number)[], input: unknown): unknown {
  let schema = unwrap(root);
  let value = input;
  for (const part of path) {
    schema = unwrap(childSchema(schema, part, value));
    value = hasProperty(value, part) ? value[part] : undefined;
  }
  return schema;
}

/** Schema of an entry of `value`; in a union that of the option which the value means, else of the first that has it. */
function childSchema(schema: unknown, part: string | number, value: unknown): unknown {
  if (typeof part === 'number') return hasProperty(schema, 'element') ? schema.element : undefined;
  for (const option of [schema, meantOption(schema, value), ...optionsOf(schema)]) {
    const shape = shapeOf(option);
    if (shape !== undefined && Object.hasOwn(shape, part)) return Reflect.get(shape, part);
  }
  return hasProperty(schema, 'valueType') ? schema.valueType : undefined;
}

function optionsOf(schema: unknown): readonly unknown[] {
  return hasProperty(schema, 'options') && Array.isArray(schema.options) ? schema.options : [];
}

function shapeOf(schema: unknown): object | undefined {
  return hasProperty(schema, 'shape') && typeof schema.shape === 'object' && schema.shape !== null
    ? schema.shape
    : undefined;
}

/** What a default, prefault or optional wraps. */
function unwrap(schema: unknown): unknown {
  let current = schema;
  while (hasProperty(current, 'def') && hasProperty(current.def, 'innerType')) current = current.def.innerType;
  return current;
}

function hasProperty<K extends string | number>(value: unknown, key: K): value is Record<K, unknown> {
  return typeof value === 'object' && value !== null && key in value;
}
