/** Config for people: masked for the log, and as a table for --help. */
import type { z } from 'zod';

import { configFields } from './config-fields.ts';

/** A copy that may be printed: secrets and passwords inside URLs are replaced. */
export function maskConfig(schema: z.ZodType, config: unknown): unknown {
  const secrets = new Set(
    configFields(schema)
      .filter((field) => field.secret)
      .map((field) => field.key),
  );
  function mask(value: unknown, path: readonly string[]): unknown {
    if (secrets.has(path.join('.')) && value !== undefined) return '***';
    if (typeof value === 'string') return value.replace(/(\w{1,32}:\/\/)[^\s/@]+@/g, '$1***@');
    if (Array.isArray(value)) return value.map((item) => mask(item, path));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, mask(child, [...path, name])]));
  }
  return mask(config, []);
}

/** What `--help` prints. */
export function describeConfig(name: string, schema: z.ZodType): string {
  const fields = configFields(schema);
  const width = Math.max(...fields.map((field) => field.flag.length), '--config FILE'.length);
  const lines = fields.map((field) => `  ${field.flag.padEnd(width)}  ${field.description}`);
  return [
    `gradus ${name}`,
    '',
    `  ${'--config FILE'.padEnd(width)}  YAML or JSON; the environment (GRADUS_…) comes before it, flags before both.`,
    ...lines,
    '',
  ].join('\n');
}
