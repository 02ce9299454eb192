import { suggest } from '#shared/runtime/suggest.ts';

/** The known key that `key` was probably meant to be, or undefined when none is near. */
export function suggestKey(key: string, known: readonly string[]): string | undefined {
  return suggest(key, known);
}
