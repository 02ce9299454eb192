import { closeSync, openSync, readSync } from 'node:fs';

/** Reads a run file (`postings-run.ts`) from front to back through one buffer. */
export interface RunReader {
  /** Goes to the next term and gives it; undefined at the end. */
  nextTerm(): string | undefined;
  /** Gives every posting of the term, once. */
  readPostings(each: (passage: number, frequency: number) => void): void;
  close(): void;
}

const bufferBytes = 256 * 1024;

export function openRun(path: string): RunReader {
  const buffer = Buffer.allocUnsafe(bufferBytes);
  const descriptor = openSync(path, 'r');
  let at = 0;
  let end = 0;

  /** Makes sure that so many bytes are there, unless the file ends before. */
  const need = (bytes: number): boolean => {
    if (end - at >= bytes) return true;
    buffer.copyWithin(0, at, end);
    end -= at;
    at = 0;
    while (end < bytes) {
      const read = readSync(descriptor, buffer, end, bufferBytes - end, null);
      if (read === 0) return false;
      end += read;
    }
    return true;
  };
  /** At most 8 bytes each: what is written is below 2^53. */
  const varint = (): number => {
    if (end - at < 8) need(8);
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = buffer[at] ?? 0;
      at += 1;
      if (byte < 0x80) return value + byte * scale;
      value += (byte - 0x80) * scale;
    }
  };

  return {
    nextTerm() {
      if (!need(1)) return undefined;
      const bytes = varint();
      need(bytes);
      at += bytes;
      return buffer.toString('utf8', at - bytes, at);
    },
    readPostings(each) {
      let passage = 0;
      for (let left = varint(); left > 0; left -= 1) {
        passage += varint();
        each(passage, varint());
      }
    },
    close: () => closeSync(descriptor),
  };
}
