import { dirname } from 'node:path';
import { describeThrown } from '#shared/user-code/describe-thrown.ts';
import { resolveForUsers } from '#shared/user-code/user-imports.ts';
import type { EnvironmentDefinition } from '../kit/environment.ts';

/** What a file imports is found from wherever it lies. */
export function makeKitFound(): void {
  resolveForUsers('gradus/environment', import.meta.resolve('../kit/index.ts'));
}

/** What a file gives as its default export; throws an Error that says what to write. */
export function definitionOf(exported: unknown): EnvironmentDefinition {
  const { default: definition } = Object(exported) as { readonly default?: unknown };
  if (isDefinition(definition)) return definition;
  throw new Error('has no environment as its default export; write: export default defineEnvironment({ … })');
}

/** Why a file could not be loaded: what was thrown, where, and what to install where a package is missing. */
export function loadingProblem(thrown: unknown, file: string): string {
  const said = `cannot be loaded: ${describeThrown(thrown)}`;
  const [, missing] = /Cannot find package '([^']+)'/.exec(thrown instanceof Error ? thrown.message : '') ?? [];
  return missing === undefined
    ? said
    : `${said}; install it next to the file: npm install --prefix ${dirname(file)} ${missing}`;
}

function isDefinition(value: unknown): value is EnvironmentDefinition {
  if (typeof value !== 'object' || value === null) return false;
  const { name, open, options, row, primaryMetric, scorers, rewards, roles, tags } = value as Partial<
    Record<keyof EnvironmentDefinition, unknown>
  >;
  const isSchema = (schema: unknown): boolean => typeof Object(schema).safeParse === 'function';
  const { data, gold } = Object(row) as { readonly data?: unknown; readonly gold?: unknown };
  return (
    typeof name === 'string' &&
    /^[a-z][a-z0-9_-]{0,63}$/.test(name) &&
    typeof open === 'function' &&
    typeof primaryMetric === 'string' &&
    [scorers, rewards, roles, tags].every((names) => Array.isArray(names)) &&
    [options, data, gold].every(isSchema)
  );
}
