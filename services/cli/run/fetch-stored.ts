import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { artefactDigest, artefactSchema, blobKey } from '#artefacts/artefact.ts';
import type { Artefact, ArtefactFile, ArtefactKind } from '#artefacts/artefact.ts';
import type { BlobStore } from '#artefacts/blob-store.ts';
import { fetchArtefact, readArtefact } from '#artefacts/fetch-artefact.ts';
import { digestIn } from '#artefacts/location.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { writeAtomically } from '#platform/files/write-atomically.ts';
import { formatBytes } from '#platform/nats/store-bounds.ts';
import { surveyFiles } from '#recipe/inputs/survey-inputs.ts';
import { storedInputs, type Holding, type StoredInput } from '#recipe/stored-inputs.ts';
import { defaultNatsUrl } from '../store/nats-url.ts';
import { withStore, type StorePlace } from '../store/with-store.ts';
import { inputError } from './place-problems.ts';
import type { LoadedRecipe } from './prepare-inputs.ts';

export interface StoredOptions extends Omit<StorePlace, 'store' | 'natsUrl'> {
  /** Absent: only what is in the home already can be used. */
  readonly store?: string | undefined;
  /** For nats:BUCKET. */
  readonly natsUrl?: string | undefined;
  /** Absolute. */
  readonly home: string;
  readonly report: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface FetchedInputs {
  /** By location: its path on this machine. */
  readonly fetched: ReadonlyMap<string, string>;
  /** A sentence each, with field, value and what to do. */
  readonly problems: readonly string[];
}

/** Kinds of artefacts that an input may be of, the one to put it with first. */
const kindsOf: Readonly<Record<Holding, readonly ArtefactKind[]>> = {
  rows: ['data', 'file', 'input'],
  corpus: ['corpus', 'data', 'file', 'input'],
  weights: ['model', 'version', 'checkpoint', 'file'],
};

/** Where the artefacts of all runs of a home are fetched to, a folder each by digest. Removing one costs fetching it again. */
export function storedDirectory(home: string): string {
  return join(home, 'artefacts');
}

/** The recipe with what it has in a store on this machine. Throws TerminalError that lists what cannot be had. */
export async function withStored(loaded: LoadedRecipe, options: StoredOptions): Promise<LoadedRecipe> {
  const { fetched, problems } = await fetchStored(storedInputs(loaded.recipe), options);
  if (problems.length > 0) throw inputError(loaded, problems);
  return { ...loaded, fetched };
}

/**
 * Makes inputs of a store files of this machine, in the home. What is there is compared with its digest and needs no store; what differs is fetched
 * again. Throws TerminalError for a store that cannot be opened.
 */
export async function fetchStored(inputs: readonly StoredInput[], options: StoredOptions): Promise<FetchedInputs> {
  const fetched = new Map<string, string>();
  const absent: StoredInput[] = [];
  const problems = new Map<StoredInput, string>();
  for (const input of inputs) {
    const { artefact, problem } = await placedArtefact(input, options);
    const refused = problem ?? (artefact === undefined ? undefined : refusalOf(input, artefact));
    if (artefact !== undefined && refused === undefined) fetched.set(input.location, pathOf(input, artefact, options));
    else if (options.store !== undefined) absent.push(input);
    else problems.set(input, refused ?? `is not in ${storedDirectory(options.home)}; ${howTo}`);
  }
  const { store, natsUrl = defaultNatsUrl } = options;
  if (store === undefined || absent.length === 0) return outcomeOf(fetched, problems);
  await withStore({ ...options, store, natsUrl }, options.signal, async (blobs) => {
    for (const input of absent) {
      const problem = await fetchOne(blobs, input, options, fetched).catch((thrown: unknown) => {
        const error = errorFrom(thrown);
        // A store that does not answer now is no mistake of the recipe.
        if (!(error instanceof TerminalError)) throw error;
        return error.message.replace(`artefact ${digestIn(input.location)}: `, '');
      });
      if (problem !== undefined) problems.set(input, problem);
    }
  });
  return outcomeOf(fetched, problems);
}

/** What one field cannot take is given to no other: nothing else would be said of it than what is wrong here. */
function outcomeOf(fetched: Map<string, string>, problems: ReadonlyMap<StoredInput, string>): FetchedInputs {
  for (const { location } of problems.keys()) fetched.delete(location);
  return {
    fetched,
    problems: [...problems].map(([{ field, location }, problem]) => `${field}: ${location}: ${problem}`),
  };
}

const howTo = 'name the store that holds it with --store (or GRADUS_STORE)';

/** Fetches, and compares every byte with the digest. Gives what is wrong. */
async function fetchOne(
  blobs: BlobStore,
  input: StoredInput,
  options: StoredOptions,
  fetched: Map<string, string>,
): Promise<string | undefined> {
  const digest = digestIn(input.location) ?? '';
  const place = placeOf(input, options);
  const artefact = await readArtefact(blobs, digest);
  const refused = refusalOf(input, artefact);
  if (refused !== undefined) return refused;
  await mkdir(storedDirectory(options.home), { recursive: true });
  const differing = await differingFiles(artefact, place, options);
  if (differing.length > 0) {
    const size = formatBytes(artefact.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
    options.report(`fetching ${input.field}, ${size}, from ${blobs.url} into ${place}`);
    await rm(place, { recursive: true, force: true });
    await fetchArtefact(blobs, digest, place, options);
    const damaged = await differingFiles(artefact, place, options);
    if (damaged.length > 0) {
      await rm(place, { recursive: true, force: true });
      const lies = damaged.map(({ path, sha256 }) => `${path} in ${blobKey(sha256)}`).join(', ');
      return `is damaged in ${blobs.url} (${lies}); remove that there, and put it again`;
    }
  }
  await writeAtomically(`${place}.json`, `${JSON.stringify(artefact)}\n`);
  fetched.set(input.location, pathOf(input, artefact, options));
  return undefined;
}

/** What an earlier command fetched, if it is what its digest says. */
async function placedArtefact(
  input: StoredInput,
  options: StoredOptions,
): Promise<{ readonly artefact?: Artefact; readonly problem?: string }> {
  const place = placeOf(input, options);
  let artefact: Artefact;
  try {
    artefact = artefactSchema.parse(JSON.parse(await readFile(`${place}.json`, 'utf8')));
  } catch {
    // Never fetched, or not whole: what there is of it is used again.
    return {};
  }
  if (artefactDigest(artefact.files) !== digestIn(input.location)) return {};
  const differing = await differingFiles(artefact, place, options);
  return differing.length === 0
    ? { artefact }
    : { problem: `is damaged in ${place} (${namesOf(differing)}); ${howTo}, and it is fetched again` };
}

/** Files that are missing or have other bytes than the list says. */
async function differingFiles(
  { files }: Artefact,
  place: string,
  { home, signal }: Pick<StoredOptions, 'home' | 'signal'>,
): Promise<ArtefactFile[]> {
  const survey = { cacheFile: join(home, 'digests.json'), signal };
  const named = files.map(({ path }) => ({ name: path, path: join(place, path) }));
  const found = new Map((await surveyFiles(named, survey)).map(({ name, digest }) => [name, digest]));
  return files.filter(({ path, sha256 }) => found.get(path) !== sha256);
}

/** Why an artefact cannot be what the recipe takes it for. */
function refusalOf({ holds }: StoredInput, { kind, files }: Artefact): string | undefined {
  const [first = 'file', ...others] = kindsOf[holds];
  if (!kindsOf[holds].includes(kind))
    return `is of kind ${kind}, and ${holds} are of ${[first, ...others].join(', ')}; name another, or put it again with --kind ${first}`;
  if (holds === 'weights' || files.length === 1) return undefined;
  return `holds ${files.length} files (${namesOf(files)}), and ${holds} are one; put that file alone`;
}

const namesOf = (files: readonly ArtefactFile[]): string =>
  files
    .slice(0, 3)
    .map(({ path }) => path)
    .join(', ');

function placeOf({ location }: StoredInput, { home }: Pick<StoredOptions, 'home'>): string {
  return join(storedDirectory(home), digestIn(location) ?? '');
}

function pathOf(input: StoredInput, { files }: Artefact, options: Pick<StoredOptions, 'home'>): string {
  const place = placeOf(input, options);
  const [only] = files;
  if (files.length !== 1 || only === undefined) return place;
  return input.holds === 'weights' && !only.path.endsWith('.safetensors') ? place : join(place, only.path);
}
