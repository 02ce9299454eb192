import { LineCounter, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import type { z } from 'zod';
import { TerminalError } from '#shared/errors.ts';
import { expandRewards } from '#shared/rewards/expand-rewards.ts';

import { checkRecipe } from './check-recipe.ts';
import type { RecipeIssue } from './check-recipe.ts';
import { recipeSchema } from './schema.ts';
import type { Recipe } from './schema.ts';
import { suggest } from '#shared/runtime/suggest.ts';

/**
 * A recipe from YAML text. `file` is only used in messages.
 * Throws TerminalError('invalid_argument') that lists every problem as `file:line: path: what (got value)`.
 */
export function parseRecipe(text: string, file: string): Recipe {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const broken = document.errors[0];
  if (broken !== undefined) {
    throw invalid(file, [`${file}:${lines.linePos(broken.pos[0]).line}: not YAML: ${broken.message}`]);
  }
  const locate = (path: readonly (string | number)[]) => lineOf(document, lines, path);
  const outcome = checkRecipeValue(valueOf(document, file));
  if (outcome.kind === 'recipe') return outcome.recipe;
  throw invalid(
    file,
    outcome.issues.map((issue) => {
      const line = locate(issue.path);
      return `${file}${line === undefined ? '' : `:${line}`}: ${formatIssue(issue)}`;
    }),
  );
}

function valueOf(document: Document, file: string): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return value;
  } catch (cause) {
    // A few lines of aliases of aliases can unfold to gigabytes.
    const why = cause instanceof Error ? cause.message : String(cause);
    throw invalid(file, [`${file}: its aliases cannot be unfolded: ${why}`]);
  }
}

export type RecipeOutcome =
  | { readonly kind: 'recipe'; readonly recipe: Recipe }
  | { readonly kind: 'issues'; readonly issues: readonly RecipeIssue[] };

/** The same checks for a value that did not come from YAML. */
export function checkRecipeValue(value: unknown): RecipeOutcome {
  const parsed = recipeSchema.safeParse(expandRewards(value), { reportInput: true });
  const issues = parsed.success ? checkRecipe(parsed.data) : parsed.error.issues.flatMap((issue) => fromZod(issue));
  if (parsed.success && issues.length === 0) return { kind: 'recipe', recipe: parsed.data };
  return { kind: 'issues', issues };
}

export function formatIssue(issue: RecipeIssue): string {
  const path = formatPath(issue.path);
  const got = issue.value === undefined ? '' : ` (got ${shorten(issue.value)})`;
  return `${path === '' ? 'the recipe' : path}: ${issue.message}${got}`;
}

function fromZod(issue: z.core.$ZodIssue): RecipeIssue[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(path, issue.input);
    return issue.keys.map((key) => {
      const suggestion = suggest(key, known);
      const help = suggestion === undefined ? `known keys: ${known.join(', ')}` : `did you mean ${suggestion}?`;
      return { path: [...path, key], message: `unknown key; ${help}` };
    });
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.map((inner) => ({ path, message: `its name ${inner.message}` }));
  }
  if (issue.code === 'invalid_union' && issue.discriminator !== undefined) {
    const kinds = kindsAt(path);
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

/** Keys that the schema knows for `value` at a path; empty where it is no object. */
function keysAt(path: readonly (string | number)[], value: unknown): string[] {
  const object = schemaAt(path);
  const meant = optionsOf(object).find((option) => hasProperty(value, 'kind') && kindOf(option) === value.kind);
  return Object.keys(shapeOf(meant ?? object) ?? {});
}

/** Values of `kind` that a union has; `path` leads to the union or to its `kind`. */
function kindsAt(path: readonly (string | number)[]): string[] {
  return optionsOf(schemaAt(path.at(-1) === 'kind' ? path.slice(0, -1) : path)).map((option) => String(kindOf(option)));
}

function kindOf(option: unknown): unknown {
  const shape = shapeOf(option);
  return hasProperty(shape, 'kind') && hasProperty(shape.kind, 'value') ? shape.kind.value : undefined;
}

function schemaAt(path: readonly (string | number)[]): unknown {
  let schema = unwrap(recipeSchema);
  for (const part of path) schema = unwrap(childSchema(schema, part));
  return schema;
}

/** Schema of an entry; in a union the first option that has it. */
function childSchema(schema: unknown, part: string | number): unknown {
  if (typeof part === 'number') return hasProperty(schema, 'element') ? schema.element : undefined;
  for (const option of [schema, ...optionsOf(schema)]) {
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

function hasProperty<K extends string>(value: unknown, key: K): value is Record<K, unknown> {
  return typeof value === 'object' && value !== null && key in value;
}

function formatPath(path: readonly (string | number)[]): string {
  return path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('');
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Line of the value at `path`, or of the nearest value around it. */
function lineOf(document: Document.Parsed, lines: LineCounter, path: readonly (string | number)[]): number | undefined {
  for (let depth = path.length; depth > 0; depth--) {
    const node: unknown = document.getIn(path.slice(0, depth), true);
    if (hasProperty(node, 'range') && Array.isArray(node.range) && typeof node.range[0] === 'number')
      return lines.linePos(node.range[0]).line;
  }
  return undefined;
}

function invalid(file: string, problems: readonly string[]): TerminalError {
  const head = problems.length === 1 ? '' : `${file} has ${problems.length} problems:\n`;
  return new TerminalError('invalid_argument', `${head}${problems.join('\n')}`, { details: { file, problems } });
}
