import { once } from 'node:events';
import { open, readlink, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { visibleText } from '#platform/text/visible-text.ts';

/** Where scored rows go. */
export interface LineSink {
  write(text: string): Promise<void>;
  /** All is written; without it a file is removed. */
  complete(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export function stdoutSink(): LineSink {
  return {
    async write(text) {
      if (!process.stdout.write(visibleText(text))) await once(process.stdout, 'drain');
    },
    complete: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

/**
 * Writes next to the file and renames at the end, so that a file is whole or is not there; a link stays, and what it names is
 * replaced. A device, a pipe or a terminal is written to, and never replaced; nor is what is open already, as /dev/stdout, which
 * is appended to.
 */
export async function openFileSink(named: string): Promise<LineSink> {
  const path = await behindLinks(named);
  const there = await stat(path).catch(() => undefined);
  const isReplaced = !isDescriptor(path) && (there === undefined || there.isFile());
  const partial = isReplaced ? `${path}.partial` : path;
  let handle: FileHandle;
  try {
    handle = await open(partial, isReplaced ? 'w' : 'a');
  } catch (cause) {
    throw new TerminalError('invalid_argument', `--out: ${named} cannot be written: ${errorFrom(cause).message}`, {
      cause,
    });
  }
  let isComplete = false;
  return {
    async write(text) {
      await handle.writeFile(text);
    },
    async complete() {
      await handle.close();
      if (isReplaced) await rename(partial, path);
      isComplete = true;
    },
    async [Symbol.asyncDispose]() {
      if (isComplete) return;
      await handle.close();
      if (isReplaced) await rm(partial, { force: true });
    },
  };
}

const isDescriptor = (path: string): boolean => /^\/(dev\/fd|proc)\//.test(resolve(path));
const mostLinks = 40;

/** Where links lead, be it there or not; a descriptor of this process is not followed to its file. */
async function behindLinks(path: string, left = mostLinks): Promise<string> {
  const target = isDescriptor(path) || left === 0 ? undefined : await readlink(path).catch(() => undefined);
  return target === undefined ? path : await behindLinks(resolve(await realpath(dirname(path)), target), left - 1);
}
