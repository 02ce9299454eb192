import { access } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { laterBranchModel } from '../directory/places.ts';
import { reroot } from '#recipe/reroot.ts';

/** Where the weights of each policy version of a run lay, by what its ledger says. */
export interface WeightsHistory {
  /** Where the run lay when it was last begun or resumed; it may have been moved since. */
  readonly directory: string;
  /** Directories, or locations of a store, by version, in the order of versions. Some may be gone: only the newest are kept. */
  readonly versions: ReadonlyMap<bigint, readonly string[]>;
  /** Numbers of the model of the recipe, which has no directory here: 0, or above what the fleet had served before. */
  readonly model: ReadonlySet<bigint>;
}

export function weightsHistory(entries: Iterable<LedgerEntry>): WeightsHistory {
  let directory = '';
  let version = 0n;
  let branch = 0;
  const model = new Set([0n]);
  const versions = new Map<bigint, readonly string[]>();
  const beginBranch = (): void => {
    branch += 1;
    version += 1n;
    versions.set(version, [laterBranchModel(directory, branch)]);
  };
  for (const { fact } of entries) {
    switch (fact.case) {
      case 'runStarted':
        directory = fact.value.directory;
        break;
      case 'runResumed': {
        const to = fact.value.directory;
        if (to === '') break;
        for (const [known, paths] of versions)
          versions.set(
            known,
            paths.map((path) => reroot(path, directory, to)),
          );
        directory = to;
        break;
      }
      case 'stepCommitted':
        version = fact.value.version;
        versions.set(
          version,
          [fact.value.weightsPath, fact.value.checkpointPath].filter((path) => path !== ''),
        );
        break;
      case 'gateDecided':
        // A roll-back is a version of its own: the policy that entered the failed stage, kept as the branch's model.
        if (fact.value.action === 'roll_back') beginBranch();
        break;
      case 'stageFact':
        if (fact.value.newBranch) beginBranch();
        break;
      case 'versionsMoved': {
        const moved = version + fact.value.by;
        if (model.has(version)) model.add(moved);
        else versions.set(moved, versions.get(version) ?? []);
        version = moved;
        break;
      }
      case 'runQueued':
      case 'stageEntered':
      case 'groupOpened':
      case 'groupClosed':
      case 'stepFormed':
      case 'evalFinished':
      case 'stageFinished':
      case 'runEnded':
      case 'stopRequested':
      case 'resultRefused':
      case 'filesDamaged':
      case 'artefactLeft':
      case undefined:
        break;
    }
  }
  return { directory, versions, model };
}

export interface Weights {
  readonly version: bigint;
  /** Undefined for the model itself: the engine starts with it. */
  readonly path: string | undefined;
  /** The store's location of them, where that is where they came from. */
  readonly location?: string;
}

/** What keeps versions that lie in no folder of the run. */
export interface WeightsStore {
  /** For messages. */
  readonly url: string;
  has(location: string): Promise<boolean>;
  /** A directory of this machine with the files, compared with their digest. */
  fetch(location: string): Promise<string>;
}

export interface WeightsPlaces {
  /** Where the run lies now. */
  readonly directory: string;
  /** Absent: only folders are looked at. */
  readonly store?: WeightsStore | undefined;
}

/** The weights of a version, if they are still kept. */
export async function findWeights(history: WeightsHistory, places: WeightsPlaces, version: bigint): Promise<Weights> {
  if (history.model.has(version)) return { version, path: undefined };
  const place = await keptIn(history, places, version);
  if (place !== undefined) return await bring(version, place, places);
  const { directory, store } = places;
  const located = (history.versions.get(version) ?? []).find((each) => !isAbsolute(each));
  if (located !== undefined && store === undefined)
    throw new TerminalError(
      'not_found',
      `the weights of version ${version} lie in a store, as ${located}; give it with --store`,
    );
  const kept = [0n];
  for (const other of history.versions.keys())
    if ((await keptIn(history, places, other)) !== undefined) kept.push(other);
  const why = history.versions.has(version)
    ? `the weights of version ${version} are no longer kept in ${located === undefined || store === undefined ? directory : `${directory} or ${store.url}`}`
    : `the ledger knows no version ${version}`;
  throw new TerminalError(
    'not_found',
    `${why}; versions that are there: ${kept.join(', ')}. Replay a rollout of one of those, or use --policy current or --model DIR`,
  );
}

/** The newest version of the run whose weights are there. */
export async function newestWeights(history: WeightsHistory, places: WeightsPlaces): Promise<Weights> {
  for (const version of [...history.versions.keys()].toSorted((a, b) => Number(b - a))) {
    const place = await keptIn(history, places, version);
    if (place !== undefined) return await bring(version, place, places);
  }
  return { version: 0n, path: undefined };
}

async function bring(version: bigint, place: string, { store }: WeightsPlaces): Promise<Weights> {
  if (isAbsolute(place) || store === undefined) return { version, path: place };
  return { version, path: await store.fetch(place), location: place };
}

/** A directory, or a location that the store holds. */
async function keptIn(
  history: WeightsHistory,
  { directory, store }: WeightsPlaces,
  version: bigint,
): Promise<string | undefined> {
  for (const recorded of history.versions.get(version) ?? []) {
    if (!isAbsolute(recorded)) {
      if ((await store?.has(recorded)) === true) return recorded;
      continue;
    }
    const path = reroot(recorded, history.directory, directory);
    try {
      await access(join(path, 'model.safetensors'));
      return path;
    } catch {
      // Removed since: the next place, or none.
    }
  }
  return undefined;
}
