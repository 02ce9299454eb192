import { randomUUID } from 'node:crypto';
import { constants, copyFile, link, mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { isMissing } from '#platform/files/file-error.ts';
import { writeAtomically } from '#platform/files/write-atomically.ts';
import type { BlobStore, StoredBlob } from '../blob-store.ts';

/** A folder of one machine, or of a file system that all machines share. Files stay whole. */
export function createFolderStore(root: string): BlobStore {
  const pathOf = (key: string): string => {
    if (!/^[a-z]+\/[0-9a-f]+$/.test(key)) throw new TerminalError('invalid_argument', `blob '${key}': is not a key`);
    return join(root, key);
  };
  const absent = (thrown: unknown): undefined => {
    if (!isMissing(thrown)) throw errorFrom(thrown);
  };
  return {
    url: root,
    partBytes: Infinity,
    has: async (key) => (await stat(pathOf(key)).catch(absent)) !== undefined,
    read: (key) => readFile(pathOf(key)).catch(absent),
    async write(key, bytes) {
      await mkdir(dirname(pathOf(key)), { recursive: true });
      await writeAtomically(pathOf(key), bytes);
    },
    remove: (key) => rm(pathOf(key), { force: true }),
    async list(prefix) {
      const found: StoredBlob[] = [];
      for (const name of (await readdir(join(root, prefix)).catch(absent)) ?? []) {
        if (!/^[0-9a-f]{64}$/.test(name)) continue;
        const status = await stat(join(root, prefix, name)).catch(absent);
        // A hard link has the time of its file, which may be older than the blob; the inode's changes with each link.
        if (status !== undefined)
          found.push({ key: `${prefix}${name}`, sizeBytes: status.size, writtenMs: status.ctimeMs });
      }
      return found;
    },
    files: {
      async adopt(key, path, isFinal) {
        await mkdir(dirname(pathOf(key)), { recursive: true });
        const draft = join(root, `${randomUUID()}.draft`);
        try {
          await linkOrCopy(path, draft, isFinal);
          await rename(draft, pathOf(key));
        } finally {
          await rm(draft, { force: true });
        }
      },
      async place(key, path) {
        try {
          await linkOrCopy(pathOf(key), path, true);
          return true;
        } catch (thrown) {
          if (!isMissing(thrown)) throw errorFrom(thrown);
          return false;
        }
      },
    },
  };
}

/** Another file system, or one without hard links, gets a copy. */
async function linkOrCopy(from: string, to: string, mayLink: boolean): Promise<void> {
  if (mayLink) {
    try {
      await link(from, to);
      return;
    } catch (thrown) {
      const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
      if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'EMLINK' && code !== 'ENOTSUP') throw thrown;
    }
  }
  await copyFile(from, to, constants.COPYFILE_FICLONE);
}
