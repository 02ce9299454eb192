import { dirname } from 'node:path';
import { inspect } from 'node:util';
import { describeThrown } from '#user-code/user-code-error.ts';
import { resolveForUsers } from '#user-code/user-imports.ts';
import type { EnvironmentDefinition } from '../kit/environment.ts';

/** What a file imports is found from wherever it lies. */
export function makeKitFound(): void {
  resolveForUsers('gradus/environment', import.meta.resolve('../kit/index.ts'));
}

/** A file that can be loaded and gives no environment. */
class NoEnvironmentError extends Error {}

/** What a file gives as its default export; throws an Error that says what is wrong with it, and what to write. */
export function definitionOf(exported: unknown): EnvironmentDefinition {
  const { default: definition } = Object(exported) as { readonly default?: unknown };
  if (typeof definition !== 'object' || definition === null)
    throw new NoEnvironmentError(
      'has no environment as its default export; write: export default defineEnvironment({ … })',
    );
  const problems = definitionShape(definition);
  if (problems.length > 0)
    throw new NoEnvironmentError(
      `its default export is not an environment: ${problems.join('; ')}; write: export default defineEnvironment({ … })`,
    );
  return definition as EnvironmentDefinition;
}

/** Why a file could not be loaded: what was thrown, where, and what to install where a package is missing. */
export function loadingProblem(thrown: unknown, file: string): string {
  if (thrown instanceof NoEnvironmentError) return thrown.message;
  const said = `cannot be loaded: ${describeThrown(thrown)}`;
  const [, missing] = /Cannot find package '([^']+)'/.exec(thrown instanceof Error ? thrown.message : '') ?? [];
  return missing === undefined
    ? said
    : `${said}; install it next to the file: npm install --prefix ${dirname(file)} ${missing}`;
}

/** Each part that is missing or of another kind than it has to be. */
function definitionShape(value: object): string[] {
  const { name, open, options, row, primaryMetric, scorers, rewards, tags } = value as Partial<
    Record<keyof EnvironmentDefinition, unknown>
  >;
  const { data, gold } = Object(row) as { readonly data?: unknown; readonly gold?: unknown };
  const isSchema = (schema: unknown): boolean => typeof Object(schema).safeParse === 'function';
  const isName = typeof name === 'string' && /^[a-z][a-z0-9_-]{0,63}$/.test(name);
  const parts: readonly (readonly [string, unknown, boolean, string])[] = [
    ['name', name, isName, 'a text of a-z, 0-9, - and _, at most 64, that begins with a letter'],
    ['open', open, typeof open === 'function', 'a function'],
    ['primaryMetric', primaryMetric, typeof primaryMetric === 'string', 'a text'],
    ...Object.entries({ scorers, rewards, tags }).map(
      ([part, names]) => [part, names, names === undefined || Array.isArray(names), 'a list of texts'] as const,
    ),
    ...Object.entries({ options, 'row.data': data, 'row.gold': gold }).map(
      ([part, schema]) => [part, schema, isSchema(schema), 'a zod schema'] as const,
    ),
  ];
  return parts.flatMap(([part, given, isRight, needed]) =>
    isRight
      ? []
      : [
          given === undefined
            ? `${part}: is missing, ${needed}`
            : `${part}: is not ${needed} (got ${inspect(given, { depth: 0 }).slice(0, 80)})`,
        ],
  );
}
