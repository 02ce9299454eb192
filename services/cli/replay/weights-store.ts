import { join } from 'node:path';
import { artefactKey } from '#artefacts/artefact.ts';
import type { BlobStore } from '#artefacts/blob-store.ts';
import { fetchArtefact } from '#artefacts/fetch-artefact.ts';
import { digestIn } from '#artefacts/location.ts';
import { TerminalError } from '#platform/errors.ts';
import { formatBytes } from '#platform/nats/store-bounds.ts';
import type { WeightsStore } from '#run/ledger/weights-history.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** A store whose versions are fetched into `directory`, where they stay for the next replay. What is there is compared with its digest. */
export function weightsStore(
  store: BlobStore,
  directory: string,
  terminal: Terminal,
  signal: AbortSignal,
): WeightsStore {
  const digestOf = (location: string): string => {
    const digest = digestIn(location);
    if (digest === undefined) throw new TerminalError('invalid_argument', `${location}: is a path, not in a store`);
    return digest;
  };
  return {
    url: store.url,
    has: (location) => store.has(artefactKey(digestOf(location))),
    async fetch(location) {
      const place = join(directory, digestOf(location));
      const { readBytes } = await fetchArtefact(store, digestOf(location), place, { signal });
      const came = readBytes === 0 ? 'it was there' : `${formatBytes(readBytes)} came over`;
      terminal.err(`${location} of ${store.url} is in ${place} and has its digest; ${came}`);
      return place;
    },
  };
}
