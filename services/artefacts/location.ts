/** Where files are: a path of this machine, or an artefact of the fleet's store, which every machine can fetch. */
import { isAbsolute, join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { parseDigest } from './artefact.ts';

const scheme = 'artefact:';

export function locationOf(digest: string): string {
  return `${scheme}${parseDigest(digest)}`;
}

/** The digest that a location names; undefined for a path. Throws TerminalError for what is neither. */
export function digestIn(location: string): string | undefined {
  if (isAbsolute(location)) return undefined;
  if (location.startsWith(scheme)) return parseDigest(location.slice(scheme.length));
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
