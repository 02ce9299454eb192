import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';

/**
 * Digests of files by path, with what the file system said of each when it was read: whether a file is still the same is seen
 * without reading it. A takeover must not read gigabytes (P10).
 */
export interface DigestCache {
  /** The digest of a file whose size, inode and times are those that it had. */
  get(path: string, stats: BigIntStats): string | undefined;
  /** `readAtMs`: when reading began, by the clock of the file system. */
  set(path: string, stats: BigIntStats, digest: string, readAtMs: number): void;
  save(): Promise<void>;
}

const entrySchema = z.strictObject({ stamp: z.string(), digest: z.string().regex(/^[0-9a-f]{64}$/) });
const fileSchema = z.strictObject({ format: z.literal(1), files: z.record(z.string(), entrySchema) });
type Entries = Map<string, z.infer<typeof entrySchema>>;

const mostEntries = 4096;
/** A change right after reading began may carry the time of the change before it: clocks of file systems tick coarsely. */
const unsettledMs = 1_000;

/** The cache in `file`. One that is broken is an empty one: it costs reading once more. */
export async function openDigestCache(file: string): Promise<DigestCache> {
  const known = await readEntries(file);
  const added: Entries = new Map();
  return {
    get(path, stats) {
      const entry = added.get(path) ?? known.get(path);
      return entry?.stamp === stampOf(stats) ? entry.digest : undefined;
    },
    set(path, stats, digest, readAtMs) {
      const changedMs = Math.max(Number(stats.mtimeMs), Number(stats.ctimeMs));
      if (changedMs + unsettledMs < readAtMs) added.set(path, { stamp: stampOf(stats), digest });
    },
    async save() {
      if (added.size === 0) return;
      // Others may have written meanwhile; an entry that is lost costs reading its file once more.
      const merged = new Map([...(await readEntries(file)), ...added]);
      const files = Object.fromEntries([...merged].slice(-mostEntries));
      const draft = `${file}.${randomUUID()}`;
      try {
        await mkdir(dirname(file), { recursive: true });
        await writeFile(draft, JSON.stringify({ format: 1, files }, undefined, 1), { mode: 0o600 });
        await rename(draft, file);
      } catch {
        // A folder that cannot be written to costs time only: the digests themselves are in hand.
        await rm(draft, { force: true });
      }
    },
  };
}

/** The change time cannot be set by hand, as the time of modification can. */
function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

async function readEntries(file: string): Promise<Entries> {
  try {
    const { files } = fileSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    return new Map(Object.entries(files));
  } catch {
    // Not there yet, or broken.
    return new Map();
  }
}
