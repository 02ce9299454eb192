/** Where files are: a path of this machine, or an artefact of the fleet's store, which every machine can fetch. */
import { isAbsolute, join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { parseDigest } from './artefact.ts';

const scheme = 'artefact:';

/** Whether a setting names an artefact of a store, rightly or not; what is none is a path, possibly relative. */
export const isStored = (place: string): boolean => place.startsWith(scheme);

export function locationOf(digest: string): string {
  return `${scheme}${parseDigest(digest)}`;
}

/** Whether it is one as it should be. */
export const isLocation = (place: string): boolean => /^artefact:[0-9a-f]{64}$/.test(place);

/** The digest that a location names; undefined for a path. Throws TerminalError for what is neither. */
export function digestIn(location: string): string | undefined {
  if (isAbsolute(location)) return undefined;
  if (isStored(location)) return parseDigest(location.slice(scheme.length));
  throw new TerminalError(
    'invalid_argument',
    `location is '${location}'; it must be an absolute path or ${scheme}DIGEST`,
  );
}

/** Where what a location names lies on this machine once it is fetched into `cache`. */
export function placeIn(cache: string, location: string): string {
  const digest = digestIn(location);
  return digest === undefined ? location : join(cache, digest);
}
