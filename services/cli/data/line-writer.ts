import { open } from 'node:fs/promises';

export interface LineWriter extends AsyncDisposable {
  /** Adds a line; waits while what is buffered goes to the file. */
  write(value: object): Promise<void>;
  /** Everything is in the file. */
  finish(): Promise<void>;
}

const bufferCharacters = 1024 * 1024;

/** JSON lines to a new file, with a megabyte of buffer. */
export async function createLineWriter(path: string): Promise<LineWriter> {
  const file = await open(path, 'wx');
  let lines: string[] = [];
  let characters = 0;
  const flush = async (): Promise<void> => {
    const text = lines.join('');
    lines = [];
    characters = 0;
    await file.appendFile(text);
  };
  return {
    async write(value) {
      const line = `${JSON.stringify(value)}\n`;
      lines.push(line);
      characters += line.length;
      if (characters >= bufferCharacters) await flush();
    },
    finish: flush,
    [Symbol.asyncDispose]: () => file.close(),
  };
}
