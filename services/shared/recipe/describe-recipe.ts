import { z } from 'zod';
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
    '| key | type | bounds | default | meaning |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function collect(schema: FieldSchema, prefix: string, rows: string[]): void {
  for (const [key, field] of Object.entries(schema.properties ?? {})) {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    const isObject = field.properties !== undefined;
    const byDefault =
      isObject && JSON.stringify(field.default) === '{}'
        ? ''
        : defaultOf(field, schema.required?.includes(key) ?? false);
    rows.push(
      `| \`${path}\` | ${typeOf(field)} | ${boundsOf(field)} | ${byDefault} | ${(field.description ?? '').replaceAll('|', '\\|').replaceAll('\n', ' ')} |`,
    );
    if (isObject) collect(field, path, rows);
    if (field.items?.properties !== undefined) collect(field.items, `${path}[]`, rows);
  }
}

function typeOf(field: FieldSchema): string {
  if (field.enum !== undefined) return field.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (field.type === 'array') return `list of ${field.items?.type ?? 'values'}`;
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
