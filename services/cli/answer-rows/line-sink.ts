import { once } from 'node:events';
import { open, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
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
 * replaced. A device, a pipe or a terminal is written to, and never replaced.
 */
export async function openFileSink(named: string): Promise<LineSink> {
  const there = await stat(named).catch(() => undefined);
  const isReplaced = there === undefined || there.isFile();
  const path = there?.isFile() === true ? await realpath(named) : named;
  const partial = isReplaced ? `${path}.partial` : path;
  let handle: FileHandle;
  try {
    handle = await open(partial, 'w');
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
