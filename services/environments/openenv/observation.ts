import { UserCodeError } from '#user-code/user-code-error.ts';
import { cutText } from '../kit/codec.ts';
import type { OpenenvOptions } from './options.ts';

/** What the policy reads of an observation, before what could act in it is taken out. */
export function observationText(
  observation: Readonly<Record<string, unknown>>,
  { observation: path, max_observation_characters: most }: OpenenvOptions,
): string {
  const { metadata: _, ...rest } = observation;
  return cutText(textOf(path === undefined ? rest : fieldOf(observation, path)), most);
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function fieldOf(observation: Readonly<Record<string, unknown>>, path: string): unknown {
  let value: unknown = observation;
  for (const name of path.split('.')) {
    const found = isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined;
    if (found === undefined)
      throw new UserCodeError(
        `option observation: the observation has no field ${path}; it has: ${Object.keys(observation).join(', ')}`,
      );
    value = found;
  }
  return value;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
