import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { createFileWriter } from './file-writer.ts';

const directory = mkdtempSync(join(tmpdir(), 'gradus-writer-'));
afterAll(() => rmSync(directory, { recursive: true }));

test('a file holds what was written, across its buffer, and its size and checksum are reported', () => {
  const path = join(directory, 'numbers');
  const writer = createFileWriter(path);
  const expected: number[] = [];
  for (let at = 0; at < 300_000; at += 1) {
    writer.u8(at % 256);
    expected.push(at % 256);
  }
  writer.u32(0x01020304);
  writer.varint(2 ** 40);
  writer.write(new Uint8Array(600_000).fill(7));
  expected.push(4, 3, 2, 1, 128, 128, 128, 128, 128, 32);
  for (let at = 0; at < 600_000; at += 1) expected.push(7);
  expect(writer.bytes()).toBe(expected.length);
  const written = writer.finish();
  const bytes = readFileSync(path);
  expect(bytes.equals(Uint8Array.from(expected))).toBe(true);
  expect(written).toEqual({ name: 'numbers', bytes: expected.length, crc32: crc32(bytes) });
  expect(() => createFileWriter(path)).toThrow(/EEXIST/);
});

test('a full disk is an error that names the file, and that goes away when there is space', () => {
  const writer = createFileWriter('/dev/full', 'w');
  writer.u32(1);
  expect(() => writer.finish()).toThrow(/^\/dev\/full: cannot be written .*ENOSPC.*; free some space$/);
  expect(() => writer.finish()).toThrow(expect.objectContaining({ code: 'resource_exhausted' }));
  writer.abandon();
});
