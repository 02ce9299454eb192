import { execFile } from 'node:child_process';
import { cp, mkdir, rm, statfs, rename } from 'node:fs/promises';
import { promisify } from 'node:util';
import { errorFrom } from '#platform/errors.ts';

const execute = promisify(execFile);

/** A disk of its own for the store of NATS, which can be made full in a moment. */
export interface StoreDisk extends AsyncDisposable {
  /** Leaves no room: what is on it stays, nothing more fits. */
  fill(): Promise<void>;
  free(): Promise<void>;
}

/** As a disk that holds what streams reserve; a tmpfs takes only what is written. */
const sizeBytes = 12 * 1024 ** 3;

/** Mounts a tmpfs at `directory`, or says why it cannot. Disposing leaves its files there on the disk below. */
export async function mountStoreDisk(directory: string): Promise<StoreDisk | string> {
  await mkdir(directory, { recursive: true });
  try {
    await execute('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', directory]);
  } catch (thrown) {
    return `no disk can be mounted here (${errorFrom(thrown).message.trim().split('\n').at(-1) ?? ''})`;
  }
  const resize = async (bytes: number): Promise<void> => {
    await execute('mount', ['-o', `remount,size=${bytes}`, directory]);
  };
  return {
    async fill() {
      // NATS writes meanwhile: what is used grows between the question and the answer.
      for (let tries = 0; ; tries += 1) {
        const { blocks, bfree, bsize } = await statfs(directory);
        try {
          await resize((blocks - bfree) * bsize);
          return;
        } catch (thrown) {
          if (tries === 50) throw thrown;
        }
      }
    },
    free: () => resize(sizeBytes),
    async [Symbol.asyncDispose]() {
      const kept = `${directory}.kept`;
      await cp(directory, kept, { recursive: true });
      await execute('umount', [directory]);
      await rm(directory, { recursive: true });
      await rename(kept, directory);
    },
  };
}
