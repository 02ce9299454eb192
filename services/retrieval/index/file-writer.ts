import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { crc32 } from 'node:zlib';
import { TransientError, errorFrom } from '#platform/errors.ts';

/** A finished file, as the manifest names it. */
export interface WrittenFile {
  readonly name: string;
  readonly bytes: number;
  /** CRC-32 of the bytes: finds damage, not malice. */
  readonly crc32: number;
}

/** Appends little-endian numbers and bytes to a new file through one buffer. Errors name the file. */
export interface FileWriter {
  bytes(): number;
  write(chunk: Uint8Array): void;
  u8(value: number): void;
  u16(value: number): void;
  u32(value: number): void;
  f32(value: number): void;
  f64(value: number): void;
  /** An unsigned number in as many groups of seven bits as it needs. */
  varint(value: number): void;
  /** Writes what is left and waits until the disk has it. */
  finish(): WrittenFile;
  /** Closes without finishing; harmless after `finish`. */
  abandon(): void;
}

const bufferBytes = 256 * 1024;

export function createFileWriter(path: string, flags: 'wx' | 'w' = 'wx'): FileWriter {
  const buffer = Buffer.allocUnsafe(bufferBytes);
  let descriptor = guarded(path, () => openSync(path, flags));
  let used = 0;
  let flushed = 0;
  let checksum = 0;

  const put = (bytes: Uint8Array): void => {
    checksum = crc32(bytes, checksum);
    for (let at = 0; at < bytes.length;) {
      const from = at;
      at += guarded(path, () => writeSync(descriptor, bytes, from, bytes.length - from));
    }
    flushed += bytes.length;
  };
  const flush = (): void => {
    put(buffer.subarray(0, used));
    used = 0;
  };
  const room = (bytes: number): number => {
    if (used + bytes > bufferBytes) flush();
    used += bytes;
    return used - bytes;
  };
  const close = (): void => {
    if (descriptor >= 0) closeSync(descriptor);
    descriptor = -1;
  };

  return {
    bytes: () => flushed + used,
    write(chunk) {
      if (chunk.length > bufferBytes) {
        flush();
        put(chunk);
      } else {
        buffer.set(chunk, room(chunk.length));
      }
    },
    u8: (value) => (buffer[room(1)] = value),
    u16: (value) => buffer.writeUInt16LE(value, room(2)),
    u32: (value) => buffer.writeUInt32LE(value, room(4)),
    f32: (value) => buffer.writeFloatLE(value, room(4)),
    f64: (value) => buffer.writeDoubleLE(value, room(8)),
    varint(value) {
      let rest = value;
      while (rest >= 0x80) {
        buffer[room(1)] = (rest % 0x80) | 0x80;
        rest = Math.floor(rest / 0x80);
      }
      buffer[room(1)] = rest;
    },
    finish() {
      flush();
      guarded(path, () => fsyncSync(descriptor));
      close();
      return { name: basename(path), bytes: flushed, crc32: checksum };
    },
    abandon: close,
  };
}

function guarded<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const error = errorFrom(cause);
    if (error.code !== 'resource_exhausted') throw error;
    throw new TransientError('resource_exhausted', `${path}: cannot be written (${error.message}); free some space`, {
      cause,
    });
  }
}
