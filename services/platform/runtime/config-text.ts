/** Config for people: masked for the log, and as a table for --help. */
import { withoutPasswords } from '../text/without-passwords.ts';
import type { z } from 'zod';

import { configFields, type ConfigField } from './config-fields.ts';

/** A copy that may be printed: secrets and passwords inside URLs are replaced. */
export function maskConfig(schema: z.ZodType, config: unknown): unknown {
  const secrets = new Set(
    configFields(schema)
      .filter((field) => field.secret)
      .map((field) => field.key),
  );
  function mask(value: unknown, path: readonly string[]): unknown {
    if (secrets.has(path.join('.')) && value !== undefined) return '***';
    if (typeof value === 'string') return withoutPasswords(value);
    if (Array.isArray(value)) return value.map((item) => mask(item, path));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, mask(child, [...path, name])]));
  }
  return mask(config, []);
}

const configFlag = { flag: '--config', type: '<file>', description: 'YAML or JSON file with these settings.' };

/** What `--help` prints: required settings first, each with its type and its default. `command` is typed before the flags; flags of `without` are left out. */
export function describeConfig(command: string, schema: z.ZodType, without: readonly string[] = []): string {
  const fields = configFields(schema).filter(({ flag }) => !without.includes(flag));
  const required = fields.filter((field) => field.required);
  const optional = fields.filter((field) => !field.required);
  const shown = (field: Pick<ConfigField, 'flag' | 'type'>): string => `${field.flag} ${field.type}`.trimEnd();
  const width = Math.max(...fields.map((field) => shown(field).length));
  const line = (field: Pick<ConfigField, 'flag' | 'type' | 'description'>, note = ''): string =>
    `  ${shown(field).padEnd(width)}  ${field.description}${note}`;
  const byDefault = ({ byDefault: text }: ConfigField): string => (text === undefined ? '' : ` (default: ${text})`);
  const shownInExample = fields.filter((field) => field.required || field.example !== undefined);
  const example = shownInExample.map(({ flag, example: value = '…' }) => `${flag} ${value}`);
  return [
    `Usage: ${[command, ...required.map(shown), '[flags]'].join(' ')}`,
    '',
    'Flags override the environment (GRADUS_…), and that the file of --config. A switch takes true or false.',
    ...(required.length === 0 ? [] : ['', 'Required:', ...required.map((field) => line(field))]),
    '',
    'Optional:',
    line(configFlag),
    ...optional.map((field) => line(field, byDefault(field))),
    '',
    'Example:',
    `  ${[command, ...(example.length === 0 ? ['--grpc 127.0.0.1:7000'] : example)].join(' ')}`,
    '',
  ].join('\n');
}
