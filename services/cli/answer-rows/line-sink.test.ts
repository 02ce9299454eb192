import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { openFileSink } from './line-sink.ts';

async function write(path: string): Promise<void> {
  await using sink = await openFileSink(path);
  await sink.write('one\n');
  await sink.write('two\n');
  await sink.complete();
}

test('a file is whole or not there, and what was there before stays until then', async () => {
  const directory = await temporaryDirectory('gradus-sink-');
  const path = join(directory, 'out.jsonl');
  await write(path);
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
  {
    await using sink = await openFileSink(path);
    await sink.write('half');
  }
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
  expect(readdirSync(directory)).toEqual(['out.jsonl']);
});

test('what is no regular file (a pipe, as a device is) is written to and stays', async () => {
  const directory = await temporaryDirectory('gradus-sink-');
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  const [read] = await Promise.all([readFile(path, 'utf8'), write(path)]);
  expect(read).toBe('one\ntwo\n');
  expect(lstatSync(path).isFIFO()).toBe(true);
  expect(readdirSync(directory)).toEqual(['pipe']);
});

test('a link stays a link, and the file that it names is replaced', async () => {
  const directory = await temporaryDirectory('gradus-sink-');
  const [path, target] = [join(directory, 'link'), join(directory, 'target')];
  writeFileSync(target, 'old');
  symlinkSync(target, path);
  await write(path);
  expect(lstatSync(path).isSymbolicLink()).toBe(true);
  expect(readFileSync(target, 'utf8')).toBe('one\ntwo\n');
});

test('a link to what is not there stays a link, and the file is made', async () => {
  const directory = await temporaryDirectory('gradus-sink-');
  symlinkSync('target', join(directory, 'link'));
  await write(join(directory, 'link'));
  expect(lstatSync(join(directory, 'link')).isSymbolicLink()).toBe(true);
  expect(readFileSync(join(directory, 'target'), 'utf8')).toBe('one\ntwo\n');
});

test.each(['/dev/fd', '/proc/self/fd'])('an open file by its descriptor in %s is appended to', async (descriptors) => {
  const path = join(await temporaryDirectory('gradus-sink-'), 'all.jsonl');
  writeFileSync(path, 'zero\n');
  const inode = lstatSync(path).ino;
  await using file = await open(path, 'a');
  const link = `${path}.link`;
  symlinkSync(`${descriptors}/${file.fd}`, link);
  await write(`${descriptors}/${file.fd}`);
  await write(link);
  expect(readFileSync(path, 'utf8')).toBe('zero\none\ntwo\none\ntwo\n');
  expect(lstatSync(path).ino).toBe(inode);
});

test('a folder, and a folder that is not there, are refused by the name that was given', async () => {
  const directory = await temporaryDirectory('gradus-sink-');
  await expect(openFileSink(directory)).rejects.toThrow(`--out: ${directory} cannot be written: `);
  const absent = join(directory, 'no', 'file');
  await expect(openFileSink(absent)).rejects.toThrow(`--out: ${absent} cannot be written: `);
});
