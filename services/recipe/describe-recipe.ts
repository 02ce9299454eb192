import { z } from 'zod';
import { engineKinds } from '#engines/index.ts';
import type { EngineKind } from '#engines/kit/engine-kind.ts';
import { environments } from '#environments/index.ts';
import type { EnvironmentDefinition } from '#environments/kit/environment.ts';
import { recipeSchema } from './schema.ts';

interface FieldSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly required?: readonly string[];
  readonly items?: FieldSchema;
  /** Of what has entries by name. */
  readonly additionalProperties?: FieldSchema | boolean;
  /** Kinds of an entry, distinguished by `kind`. */
  readonly oneOf?: readonly FieldSchema[];
  readonly const?: unknown;
  readonly anyOf?: readonly FieldSchema[];
}

/** Reference of every recipe key as Markdown, generated from the schema. */
export function describeRecipe(): string {
  // The JSON Schema of zod is plain data; this reads the part of it that our schemas use.
  const root = z.toJSONSchema(recipeSchema, { io: 'input' }) as FieldSchema;
  const rows: string[] = [];
  collect(root, '', rows);
  return [
    '# Recipe reference',
    '',
    'Generated from the schema. Unknown keys are errors. Paths are relative to the recipe file.',
    '',
    ...tableHead,
    ...rows,
    '',
    ...environments.flatMap(describeEnvironment),
    ...engineKinds.flatMap(describeEngine),
  ].join('\n');
}

/** Options of a kind of inference server. */
function describeEngine({ kind, about, options }: EngineKind): string[] {
  return [`## Engine \`${kind}\``, '', about, '', ...tableOf([['fleet.engine.options', options]]), ''];
}

/** Options and rows of a built-in environment. */
function describeEnvironment({ name, about, options, row, needs, scorers, rewards }: EnvironmentDefinition): string[] {
  const facts: [string, readonly string[]][] = [
    ['Needs', needs],
    ['Scores every rollout by', scorers],
    ['Gives itself', rewards],
  ];
  return [
    `## Environment \`${name}\``,
    '',
    about,
    '',
    ...facts.flatMap(([what, names]) =>
      names.length === 0 ? [] : [`${what}: ${names.map((each) => `\`${each}\``).join(', ')}.`, ''],
    ),
    ...tableOf([
      ['environment.options', options],
      ['row.data', row.data],
      ['row.gold', row.gold],
    ]),
    '',
  ];
}

const tableHead = ['| key | type | bounds | default | meaning |', '|---|---|---|---|---|'];

/** The fields of each schema, under its prefix. */
function tableOf(parts: readonly (readonly [string, z.ZodType])[]): string[] {
  const rows: string[] = [];
  for (const [prefix, schema] of parts) collect(z.toJSONSchema(schema, { io: 'input' }) as FieldSchema, prefix, rows);
  return [...tableHead, ...rows];
}

function collect(schema: FieldSchema, prefix: string, rows: string[]): void {
  for (const [key, field] of Object.entries(schema.properties ?? {})) {
    describeField(field, prefix === '' ? key : `${prefix}.${key}`, schema.required?.includes(key) ?? false, rows);
  }
}

function describeField(field: FieldSchema, path: string, required: boolean, rows: string[], kinds = ''): void {
  const isObject = field.properties !== undefined;
  const byDefault = isObject && JSON.stringify(field.default) === '{}' ? '' : defaultOf(field, required);
  const bounds = boundsOf(entryOf(field) ?? field);
  const meaning = `${kinds}${field.description ?? ''}`.replaceAll('|', '\\|').replaceAll('\n', ' ');
  rows.push(`| \`${path}\` | ${typeOf(field)} | ${bounds} | ${byDefault} | ${meaning} |`);
  if (isObject) collect(field, path, rows);
  if (field.oneOf !== undefined) collectKinds(field.oneOf, path, rows);
  if (field.items?.properties !== undefined) collect(field.items, `${path}[]`, rows);
  if (field.items?.oneOf !== undefined) collectKinds(field.items.oneOf, `${path}[]`, rows);
  const entry = entryOf(field);
  if (entry?.properties !== undefined) collect(entry, `${path}.NAME`, rows);
  if (entry?.oneOf !== undefined) collectKinds(entry.oneOf, `${path}.NAME`, rows);
}

/** What each name of a record stands for. An object of named fields is none. */
function entryOf(field: FieldSchema): FieldSchema | undefined {
  const { properties, additionalProperties } = field;
  return properties === undefined && typeof additionalProperties === 'object' ? additionalProperties : undefined;
}

/** One row for a field that several kinds share. */
function collectKinds(options: readonly FieldSchema[], prefix: string, rows: string[]): void {
  const kindOf = (option: FieldSchema) => `\`${String(option.properties?.['kind']?.const)}\``;
  const kinds = {
    enum: options.map((option) => option.properties?.['kind']?.const),
    description: options.map((option) => `${kindOf(option)}: ${option.description ?? ''}`).join(' '),
  };
  const byDefault = options.map((option) => option.properties?.['kind']?.default).find((value) => value !== undefined);
  describeField({ ...kinds, default: byDefault }, `${prefix}.kind`, true, rows);
  const fields = new Map<string, { key: string; field: FieldSchema; required: boolean; kinds: string[] }>();
  for (const option of options) {
    for (const [key, field] of Object.entries(option.properties ?? {})) {
      if (key === 'kind') continue;
      const required = option.required?.includes(key) ?? false;
      const same = JSON.stringify([key, field, required]);
      const known = fields.get(same) ?? { key, field, required, kinds: [] };
      known.kinds.push(kindOf(option));
      fields.set(same, known);
    }
  }
  for (const { key, field, required, kinds: of } of fields.values()) {
    describeField(field, `${prefix}.${key}`, required, rows, `${of.join(', ')}: `);
  }
}

function typeOf(field: FieldSchema): string {
  if (field.enum !== undefined) return field.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (field.type === 'array') return `list of ${field.items?.type ?? 'values'}`;
  const entry = entryOf(field);
  if (entry !== undefined) return `${entry.type ?? 'object'} by name`;
  if (field.anyOf !== undefined) return field.anyOf.map(typeOf).join(' or ');
  return field.type ?? '';
}

function boundsOf(field: FieldSchema): string {
  const low = field.minimum ?? field.exclusiveMinimum;
  const open = field.minimum === undefined && field.exclusiveMinimum !== undefined ? '> ' : '';
  if (low === undefined && field.maximum === undefined) return '';
  return `${open}${low ?? ''}..${field.maximum ?? ''}`;
}

function defaultOf(field: FieldSchema, required: boolean): string {
  if (field.default !== undefined) return `\`${JSON.stringify(field.default).replaceAll('|', '\\|')}\``;
  return required ? 'required' : '';
}
