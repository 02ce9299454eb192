import { copyFile, mkdir, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { hashFile } from '#platform/files/hash-file.ts';
import { isMissing } from '#platform/files/file-error.ts';
import { writeAtomically } from '#platform/files/write-atomically.ts';
import { lockFile } from '#platform/runtime/file-lock.ts';
import { stateOf } from '#platform/runtime/process-identity.ts';
import { fleetBusy } from '#fleet/claim-home.ts';
import { lockPath, readRecordedFleet } from '#fleet/fleet-file.ts';
import { reroot } from '#recipe/reroot.ts';
import { copyName, damageOf, listTree, manifestName, readManifest } from '../backup/backup-files.ts';
import type { BackupManifest, Listing } from '../backup/backup-files.ts';
import { exitCodes } from '../exit-codes.ts';
import { plural } from '../terminal/format.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface BackupOptions {
  readonly home: string;
  readonly out: string;
}

export interface RestoreOptions {
  readonly home: string;
  readonly from: string;
}

/** What belongs to this machine and this fleet, and is made again: locks, processes, digests by inode. */
const notKept = new Set(['fleet.lock', 'fleet.json', 'digests.json']);

/**
 * Copies a home in which no fleet runs: streams, run directories, checkpoints and versions belong together, and a server that
 * writes its streams while they are copied would leave a copy of no one moment. No fleet can start there meanwhile.
 */
export async function backupCommand(options: BackupOptions, terminal: Terminal): Promise<number> {
  const home = resolve(options.home);
  const out = resolve(options.out);
  if (isInside(out, home)) {
    throw new TerminalError('invalid_argument', `--out ${out} lies in the home ${home}; give a folder outside it`);
  }
  await requireNew('--out', out);
  await requireDirectory('--home', home);
  const lock = await lockFile(lockPath(home));
  if (lock === undefined) throw fleetBusy(home, await readRecordedFleet(home));
  try {
    const left = (await readRecordedFleet(home))?.processes.filter((each) => stateOf(each) === 'alive') ?? [];
    if (left.length > 0) {
      throw new TerminalError(
        'failed_precondition',
        `a fleet that was killed left processes in ${home} that may still write (${left.map(({ pid }) => pid).join(', ')}); end them with 'gradus stop --home ${home}'`,
      );
    }
    const listing = await listTree(home);
    const kept = { ...listing, files: listing.files.filter((path) => !notKept.has(path)) };
    let bytes = 0;
    await makeWhole(out, async (partial) => {
      await copyTree(home, join(partial, copyName), kept, (target) => target);
      const files: BackupManifest['files'] = {};
      for (const path of kept.files) {
        const copy = join(partial, copyName, path);
        const sha256 = await hashFile(copy, neverAborted);
        const { size: sizeBytes } = await stat(copy);
        files[path] = { sizeBytes, sha256 };
        bytes += sizeBytes;
      }
      const { directories, links } = kept;
      const createdAt = new Date().toISOString();
      const manifest: BackupManifest = { format: 'gradus-backup-1', home, createdAt, directories, files, links };
      await writeAtomically(join(partial, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
    });
    terminal.out(`${plural(kept.files.length, 'file')} of ${home}, ${bytes} bytes, are in ${out}`);
    return exitCodes.ok;
  } finally {
    lock.release();
  }
}

/** Checks every file of a backup, then puts it where no home is yet. */
export async function restoreCommand(options: RestoreOptions, terminal: Terminal): Promise<number> {
  const home = resolve(options.home);
  const from = resolve(options.from);
  await requireNew('--home', home);
  const manifest = await readManifest(from);
  const damage = await damageOf(from, manifest, neverAborted);
  if (damage.length > 0) {
    throw new TerminalError(
      'data_loss',
      `the backup ${from} is damaged, and nothing was restored; use another one:\n  ${damage.join('\n  ')}`,
    );
  }
  const listing = { directories: manifest.directories, files: Object.keys(manifest.files), links: manifest.links };
  await makeWhole(home, async (partial) => {
    await copyTree(join(from, copyName), partial, listing, (target) =>
      isAbsolute(target) ? reroot(target, manifest.home, home) : target,
    );
  });
  terminal.out(
    `${plural(listing.files.length, 'file')} are in ${home}, as they were at ${manifest.createdAt}; continue a run with 'gradus resume RUN --home ${home}'`,
  );
  return exitCodes.ok;
}

const neverAborted = new AbortController().signal;

/** A folder that is there whole or not at all: a copy that fails, as on a full disk, is removed, and so is what a killed one left. */
async function makeWhole(folder: string, make: (partial: string) => Promise<void>): Promise<void> {
  const partial = `${folder}.gradus-partial`;
  await rm(partial, { recursive: true, force: true });
  try {
    await make(partial);
    await rename(partial, folder);
  } catch (thrown) {
    await rm(partial, { recursive: true, force: true });
    throw thrown;
  }
}

async function copyTree(from: string, to: string, tree: Listing, link: (target: string) => string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const path of tree.directories) await mkdir(join(to, path), { recursive: true });
  for (const path of tree.files) {
    await mkdir(dirname(join(to, path)), { recursive: true });
    await copyFile(join(from, path), join(to, path));
  }
  for (const [path, target] of Object.entries(tree.links)) await symlink(link(target), join(to, path));
}

function isInside(path: string, directory: string): boolean {
  const way = relative(directory, path);
  return !isAbsolute(way) && way !== '..' && !way.startsWith(`..${sep}`);
}

async function requireDirectory(option: string, path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) {
    throw new TerminalError('not_found', `${option} ${path} is not a folder; give the home of the runs`);
  }
}

/** Nothing there, or an empty folder. */
async function requireNew(option: string, path: string): Promise<void> {
  const entries = await readdir(path).catch((thrown: unknown) => {
    if (isMissing(thrown)) return [];
    throw thrown;
  });
  if (entries.length === 0) return;
  throw new TerminalError(
    'already_exists',
    `${option} ${path} is not empty (${entries.slice(0, 3).join(', ')}); give a folder that is empty or not there`,
  );
}
