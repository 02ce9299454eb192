type Snake<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${Snake<Rest>}`
  : '';

export type SnakeShape<Shape> = { [Name in keyof Shape & string as Snake<Name>]: Shape[Name] };

/** `baseUrl` as recipes spell it: base_url. */
export function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A service's settings in a recipe's spelling. */
export function snakeShape<Shape extends object>(shape: Shape): SnakeShape<Shape> {
  // The type says for each key what `snakeCase` does to it.
  return Object.fromEntries(
    Object.entries(shape).map(([name, schema]: [string, unknown]) => [snakeCase(name), schema]),
  ) as SnakeShape<Shape>;
}

/** An object of a recipe with the keys that a service's schema has; values stay as they are. */
export function camelKeys(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const camelCase = (key: string) => key.replaceAll(/_([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [camelCase(key), inner]));
}
