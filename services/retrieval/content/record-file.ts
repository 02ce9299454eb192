import { readSync } from 'node:fs';
import { TerminalError } from '#platform/errors.ts';
import type { FileWriter } from '../index/file-writer.ts';

/**
 * Records of a fixed number of strings, one after the other in one file, with the offsets of all of them in another.
 * A record is a 32-bit header a string (its length in UTF-16 units times two, plus one if it is wide), then the strings:
 * one byte a unit where every unit is below 256, else two. So any part of any string is one positional read, whatever
 * its length, and every string comes back to the unit.
 */
export interface RecordWriter {
  append(strings: readonly string[]): void;
  records(): number;
  /** Ends the list of offsets. */
  finish(): void;
}

export function createRecordWriter(file: FileWriter, offsets: FileWriter): RecordWriter {
  let records = 0;
  return {
    append(strings) {
      offsets.f64(file.bytes());
      const wide = strings.map(isWide);
      strings.forEach((text, at) => file.u32(text.length * 2 + (wide[at] === true ? 1 : 0)));
      strings.forEach((text, at) => file.write(Buffer.from(text, wide[at] === true ? 'utf16le' : 'latin1')));
      records += 1;
    },
    records: () => records,
    finish: () => offsets.f64(file.bytes()),
  };
}

const beyondOneByte = /[^\u0000-\u00ff]/;

function isWide(text: string): boolean {
  return beyondOneByte.test(text);
}

export interface RecordFile {
  readonly descriptor: number;
  /** Of every record, and the end of the last. */
  readonly offsets: Float64Array;
  /** Strings of a record. */
  readonly strings: number;
}

export interface RecordReader {
  /** All strings of a record. */
  read(record: number): readonly string[];
  /** Length of one string in UTF-16 units. */
  length(record: number, string: number): number;
  /** Units from..to of one string; reads no more than that. */
  slice(record: number, string: number, from: number, to: number): string;
}

/** Reads where the file's descriptor is open, in any thread. Reuses one buffer. */
export function createRecordReader({ descriptor, offsets, strings }: RecordFile): RecordReader {
  const buffer = Buffer.allocUnsafe(4096);

  const load = (position: number, bytes: number): Buffer => {
    if (bytes > buffer.length) return readFully(Buffer.allocUnsafe(bytes), descriptor, position);
    return readFully(buffer.subarray(0, bytes), descriptor, position);
  };
  const start = (record: number): number => offsets[record] ?? 0;

  return {
    read(record) {
      const bytes = (offsets[record + 1] ?? 0) - start(record);
      const loaded = load(start(record), bytes);
      let at = 4 * strings;
      const found: string[] = [];
      for (let string = 0; string < strings; string += 1) {
        const header = loaded.readUInt32LE(4 * string);
        const end = at + bytesOf(header);
        found.push(loaded.toString((header & 1) === 1 ? 'utf16le' : 'latin1', at, end));
        at = end;
      }
      return found;
    },
    length: (record, string) => load(start(record), 4 * strings).readUInt32LE(4 * string) >>> 1,
    slice(record, string, from, to) {
      const headers = load(start(record), 4 * strings);
      let at = start(record) + 4 * strings;
      for (let before = 0; before < string; before += 1) at += bytesOf(headers.readUInt32LE(4 * before));
      const header = headers.readUInt32LE(4 * string);
      const width = 1 + (header & 1);
      const first = Math.min(from, header >>> 1);
      const last = Math.max(first, Math.min(to, header >>> 1));
      const loaded = load(at + first * width, (last - first) * width);
      return loaded.toString(width === 2 ? 'utf16le' : 'latin1');
    },
  };
}

function bytesOf(header: number): number {
  return (header >>> 1) * (1 + (header & 1));
}

function readFully(into: Buffer, descriptor: number, position: number): Buffer {
  let at = 0;
  while (at < into.length) {
    const read = readSync(descriptor, into, at, into.length - at, position + at);
    if (read === 0)
      throw new TerminalError(
        'data_loss',
        `pages or cards of the index end ${into.length - at} bytes early; build it anew`,
      );
    at += read;
  }
  return into;
}
