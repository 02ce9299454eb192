import { readFile, readdir, readlink, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { hashFile } from '#platform/files/hash-file.ts';

export const manifestName = 'backup.json';
/** Where the copy lies beside its manifest. */
export const copyName = 'home';

const manifestSchema = z.strictObject({
  format: z.literal('gradus-backup-1'),
  /** Where the home lay. */
  home: z.string(),
  createdAt: z.string(),
  directories: z.array(z.string()),
  files: z.record(z.string(), z.strictObject({ sizeBytes: z.number(), sha256: z.string() })),
  links: z.record(z.string(), z.string()),
});
export type BackupManifest = z.infer<typeof manifestSchema>;

export interface Listing {
  readonly directories: string[];
  readonly files: string[];
  readonly links: Record<string, string>;
}

/** Everything in `root`, by its path there, parents first. Sockets and the like are left out. */
export async function listTree(root: string): Promise<Listing> {
  const found: Listing = { directories: [], files: [], links: {} };
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const path = relative(root, join(entry.parentPath, entry.name));
    if (entry.isSymbolicLink()) found.links[path] = await readlink(join(root, path));
    else if (entry.isDirectory()) found.directories.push(path);
    else if (entry.isFile()) found.files.push(path);
  }
  found.directories.sort();
  found.files.sort();
  return found;
}

export async function readManifest(from: string): Promise<BackupManifest> {
  const path = join(from, manifestName);
  try {
    return manifestSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw new TerminalError(
      'data_loss',
      `${path} is not the manifest of a backup: ${errorFrom(cause).message}; give the folder that 'gradus backup --out' made`,
      { cause },
    );
  }
}

/** What differs from the manifest, a line a file; empty when the backup is whole. */
export async function damageOf(from: string, manifest: BackupManifest, signal: AbortSignal): Promise<string[]> {
  const root = join(from, copyName);
  const { files, links } = await listTree(root);
  const there = new Set(files);
  const problems: string[] = [];
  for (const [path, { sizeBytes, sha256 }] of Object.entries(manifest.files)) {
    if (!there.delete(path)) {
      problems.push(`${path}: is missing`);
      continue;
    }
    const { size } = await stat(join(root, path));
    const digest = size === sizeBytes ? await hashFile(join(root, path), signal) : undefined;
    if (digest === undefined) problems.push(`${path}: has ${size} bytes, the manifest says ${sizeBytes}`);
    else if (digest !== sha256) problems.push(`${path}: has SHA-256 ${digest}, the manifest says ${sha256}`);
  }
  for (const path of there) problems.push(`${path}: is not in the manifest`);
  for (const path of new Set([...Object.keys(links), ...Object.keys(manifest.links)])) {
    if (links[path] !== manifest.links[path]) {
      problems.push(
        `${path}: is a link to ${links[path] ?? 'nothing'}, the manifest says ${manifest.links[path] ?? 'none'}`,
      );
    }
  }
  return problems;
}
