import { once } from 'node:events';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
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

/** Writes next to the file and renames at the end, so that a file is whole or is not there. */
export async function openFileSink(path: string): Promise<LineSink> {
  const partial = `${path}.partial`;
  let handle: FileHandle;
  try {
    handle = await open(partial, 'w');
  } catch (cause) {
    throw new TerminalError('invalid_argument', `--out: ${path} cannot be written: ${errorFrom(cause).message}`, {
      cause,
    });
  }
  let renamed = false;
  return {
    async write(text) {
      await handle.writeFile(text);
    },
    async complete() {
      await handle.close();
      await rename(partial, path);
      renamed = true;
    },
    async [Symbol.asyncDispose]() {
      if (renamed) return;
      await handle.close();
      await rm(partial, { force: true });
    },
  };
}
