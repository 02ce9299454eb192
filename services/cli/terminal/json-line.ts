import { toJson, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { snakeCase } from '#recipe/snake-shape.ts';

/** A part whose keys stay: names that data gives, as of scorers and tags, or what is snake_case already. */
interface AsIs {
  toJSON(): unknown;
}

export const asIs = (value: unknown): AsIs | null => (value === null ? null : { toJSON: () => value });

/** A message of the contracts, with the names that its fields have there. */
export function messageJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): AsIs | null {
  return asIs(toJson(schema, message, { useProtoFieldName: true }));
}

/** What every `--json` prints: one line, keys in snake_case as in recipes and the contracts. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(snakeKeys(value));
}

/** The same for people. */
export function jsonLines(value: unknown): string[] {
  return JSON.stringify(snakeKeys(value), undefined, 2).split('\n');
}

function snakeKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || 'toJSON' in value) return value;
  if (Array.isArray(value)) return value.map(snakeKeys);
  // A unit is one word: memory_gib.
  return Object.fromEntries(
    Object.entries(value).map(([key, child]: [string, unknown]) => [
      snakeCase(key.replace('GiB', 'Gib')),
      snakeKeys(child),
    ]),
  );
}
