/** What can be set: the leaves of a config schema, with their names in a file, in the environment and as flags. */
import { z } from 'zod';

export type FieldKind =
  | { readonly kind: 'text' }
  | { readonly kind: 'number' }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'list'; readonly element: FieldKind }
  | { readonly kind: 'json' };

export interface ConfigField {
  /** For example `['retry', 'baseMs']`. */
  readonly path: readonly string[];
  /** `retry.baseMs` */
  readonly key: string;
  /** `GRADUS_RETRY_BASE_MS` */
  readonly variable: string;
  /** `--retry-base-ms` */
  readonly flag: string;
  readonly kind: FieldKind;
  /** For people: `<n>`, `<a|b>`; empty for a switch. */
  readonly type: string;
  /** The service does not start without it. */
  readonly required: boolean;
  /** For people, as it would be typed; undefined where there is none. */
  readonly byDefault: string | undefined;
  /** A value as it would be typed, of what an example of the command needs. */
  readonly example: string | undefined;
  readonly description: string;
  /** Never printed: marked with `.meta({ secret: true })`, or named like one. */
  readonly secret: boolean;
}

const secretName = /(secret|password|passphrase|credentials?|apiKey|(bearer|auth|access)Token)$/i;

export function snakeUpper(path: readonly string[]): string {
  return `GRADUS_${path.map((part) => part.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase()).join('_')}`;
}

export function kebab(path: readonly string[]): string {
  return `--${path.map((part) => part.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase()).join('-')}`;
}

type AnyType = z.core.$ZodType;

/** zod's own union of its schema classes, which makes `type` a discriminant. */
function definitionOf(schema: AnyType): z.core.$ZodTypes['_zod']['def'] {
  // oxlint-disable-next-line no-underscore-dangle -- zod's documented way in for tools that walk schemas
  return (schema as z.core.$ZodTypes)._zod.def;
}

/** Takes off optional, default, readonly and the like. */
function inner(schema: AnyType): AnyType {
  const definition = definitionOf(schema);
  if (definition.type === 'pipe') {
    // `z.preprocess` is a pipe that begins with a function; what follows says what is wanted.
    return inner(definitionOf(definition.in).type === 'transform' ? definition.out : definition.in);
  }
  return 'innerType' in definition && definition.type !== 'promise' ? inner(definition.innerType) : schema;
}

function kindOfLiteral(value: unknown): FieldKind {
  if (typeof value === 'number') return { kind: 'number' };
  return { kind: typeof value === 'boolean' ? 'boolean' : 'text' };
}

function kindOf(schema: AnyType): FieldKind {
  const definition = definitionOf(inner(schema));
  if (definition.type === 'string' || definition.type === 'enum' || definition.type === 'template_literal') {
    return { kind: 'text' };
  }
  if (definition.type === 'number' || definition.type === 'boolean') return { kind: definition.type };
  if (definition.type === 'literal') return kindOfLiteral(definition.values[0]);
  if (definition.type === 'array') return { kind: 'list', element: kindOf(definition.element) };
  if (definition.type === 'union' && definition.options.every((option) => kindOf(option).kind === 'text')) {
    return { kind: 'text' };
  }
  return { kind: 'json' };
}

interface FieldMeta {
  readonly description: string;
  readonly secret: boolean;
  /** In place of a default that differs from machine to machine. */
  readonly byDefault: string | undefined;
  readonly example: string | undefined;
}

/** Whatever is said of a field may be attached to any of its wrappers, and the outermost counts. */
function metaOf(schema: AnyType): FieldMeta {
  const metas: Readonly<Record<string, unknown>>[] = [];
  for (let current = schema; ;) {
    metas.push(z.globalRegistry.get(current) ?? {});
    const definition = definitionOf(current);
    if (!('innerType' in definition)) break;
    current = definition.innerType;
  }
  const text = (key: string): string | undefined =>
    metas.map((meta) => meta[key]).find((value) => typeof value === 'string' && value !== '') as string | undefined;
  return {
    description: text('description') ?? '',
    secret: metas.some((meta) => meta['secret'] === true),
    byDefault: text('byDefault'),
    example: text('example'),
  };
}

/** What a value looks like: the choices of an enum, else a word for its kind. */
function typeOf(schema: AnyType, kind: FieldKind): string {
  const definition = definitionOf(inner(schema));
  if (definition.type === 'enum') return `<${Object.values(definition.entries).join('|')}>`;
  switch (kind.kind) {
    case 'boolean':
      return '';
    case 'number':
      return '<n>';
    case 'list':
      return '<list>';
    case 'text':
    case 'json':
      return `<${kind.kind}>`;
  }
}

/** A default as it would be typed; undefined where there is none, or an empty one. */
function defaultOf(schema: AnyType): string | undefined {
  const definition = definitionOf(schema);
  if (definition.type !== 'default' && definition.type !== 'prefault')
    return 'innerType' in definition ? defaultOf(definition.innerType) : undefined;
  const value: unknown = definition.defaultValue;
  const text = Array.isArray(value) ? value.join(',') : typeof value === 'string' ? value : JSON.stringify(value);
  return text === '' ? undefined : text;
}

export function shapeOf(schema: AnyType): Readonly<Record<string, AnyType>> | undefined {
  const definition = definitionOf(inner(schema));
  return definition.type === 'object' ? definition.shape : undefined;
}

export function configFields(schema: AnyType): ConfigField[] {
  const fields: ConfigField[] = [];
  function visit(current: AnyType, path: readonly string[]): void {
    const shape = shapeOf(current);
    if (shape !== undefined) {
      for (const [name, child] of Object.entries(shape)) visit(child, [...path, name]);
      return;
    }
    const meta = metaOf(current);
    const kind = kindOf(current);
    const type = typeOf(current, kind);
    const byDefault = meta.byDefault ?? defaultOf(current);
    fields.push({
      path,
      key: path.join('.'),
      variable: snakeUpper(path),
      flag: kebab(path),
      kind,
      type,
      required: !z.safeParse(current, undefined).success,
      byDefault,
      example: meta.example,
      description: meta.description,
      secret: meta.secret || secretName.test(path.at(-1) ?? ''),
    });
  }
  visit(schema, []);
  const flags = new Map<string, string>();
  for (const field of fields) {
    const other = flags.get(field.flag);
    if (other !== undefined) throw new TypeError(`config fields '${other}' and '${field.key}' have the same flag`);
    flags.set(field.flag, field.key);
  }
  return fields;
}

/** Turns text from the environment or a flag into what the field wants; text that does not fit is left for the schema to refuse. */
export function valueFromText(kind: FieldKind, text: string): unknown {
  switch (kind.kind) {
    case 'text':
      return text;
    case 'number':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'list':
      if (text.trimStart().startsWith('[')) return jsonOr(text);
      return text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '')
        .map((part) => valueFromText(kind.element, part));
    case 'json':
      return jsonOr(text);
  }
}

function jsonOr(text: string): unknown {
  try {
    const parsed: unknown = JSON.parse(text);
    return parsed;
  } catch {
    // Plain text is a legal value too; the schema decides.
    return text;
  }
}
