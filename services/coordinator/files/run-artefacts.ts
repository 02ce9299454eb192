/** Weights of a run between machines: locations instead of paths, where the coordinator has an artefact service. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { publish } from '#artefacts/artefact-files.ts';
import type { ArtefactClient } from '#artefacts/artefact-files.ts';
import { digestIn } from '#artefacts/location.ts';
import { callWithRetries } from '../sessions/call-with-retries.ts';
import type { CallRetries } from '../sessions/call-with-retries.ts';
import type { RunState } from '#run/ledger/run-state.ts';

export interface RunArtefacts {
  /** Whether learner and engines have file systems of their own. */
  readonly isShared: boolean;
  /** A location that the learner and engines can read, of a directory of this machine or of one of theirs. */
  locate(path: string, signal: AbortSignal): Promise<string>;
  /** A directory of this machine with what lies at a location; that of the one before may be gone then. */
  read(location: string, signal: AbortSignal): Promise<string>;
  /** Gives the room back of versions and checkpoints that the run is past. */
  retain(state: RunState, signal: AbortSignal): Promise<void>;
}

export interface RunArtefactsOptions {
  readonly client: ArtefactClient | undefined;
  readonly runId: string;
  /** Locations that stay next to those of the newest version and checkpoint. */
  readonly kept: (state: RunState) => readonly string[];
  readonly directory: string;
  readonly retries: CallRetries;
}

/** An engine may still be about to fetch the version before. */
const minAgeMs = 600_000n;

export function createRunArtefacts({ client, runId, kept, directory, retries }: RunArtefactsOptions): RunArtefacts {
  const located = new Map<string, Promise<string>>();
  const fetched = join(directory, 'fetched');
  return {
    isShared: client !== undefined,
    locate(path, signal) {
      const known = located.get(path);
      if (known !== undefined) return known;
      // A model is of no run: another one may begin with it.
      const options = { kind: 'model', runId: '', isFinal: false, signal } as const;
      const place = callWithRetries(retries, signal, () => publish(client, path, options));
      located.set(path, place);
      place.catch(() => located.delete(path));
      return place;
    },
    async read(location, signal) {
      const digest = digestIn(location);
      if (digest === undefined || client === undefined) return location;
      for (const name of await readdir(fetched).catch(() => []))
        if (name !== digest) await rm(join(fetched, name), { recursive: true, force: true });
      const place = join(fetched, digest);
      await callWithRetries(retries, signal, () => client.fetch({ digest, directory: place }, { signal }));
      return place;
    },
    async retain(state, signal) {
      if (client === undefined) return;
      const keep = [state.weightsPath, state.checkpointPath, ...kept(state)].flatMap((each) =>
        each === '' ? [] : (digestIn(each) ?? []),
      );
      await client.retain({ runId, keep, minAgeMs }, { signal });
    },
  };
}
