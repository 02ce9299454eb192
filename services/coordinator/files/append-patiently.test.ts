import { expect, test } from 'vitest';
import { appendPatiently } from './append-patiently.ts';

const full = () => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });

/** A file on a disk that has room for half a line only, until `room` is true. */
function fileOnFullDisk() {
  const disk = { content: 'before\n', room: false };
  const file = {
    stat: async () => ({ size: disk.content.length }),
    async appendFile(line: string | Uint8Array) {
      disk.content += disk.room ? String(line) : String(line).slice(0, 2);
      if (!disk.room) throw full();
    },
    async truncate(size = 0) {
      disk.content = disk.content.slice(0, size);
    },
  };
  return { disk, file };
}

test('P9, P10: a line waits for room on a full disk, says so once, and is written whole', async () => {
  const { disk, file } = fileOnFullDisk();
  const heard: string[] = [];
  let tries = 0;
  const counting = {
    ...file,
    async appendFile(line: string | Uint8Array) {
      tries += 1;
      disk.room = tries === 3;
      await file.appendFile(line);
    },
  };
  await appendPatiently(counting, 'line\n', ({ message }) => heard.push(message), new AbortController().signal);
  expect(disk.content).toBe('before\nline\n');
  expect(heard).toEqual([expect.stringContaining('ENOSPC')]);
});

test('P10: a stop ends the wait for room, and nothing of the line stays behind', async () => {
  const { disk, file } = fileOnFullDisk();
  const stop = new AbortController();
  await expect(appendPatiently(file, 'line\n', () => stop.abort(), stop.signal)).rejects.toMatchObject({
    code: 'cancelled',
  });
  expect(disk.content).toBe('before\n');
  // What has room is written after a stop too, and what has none is not waited for.
  await expect(appendPatiently(file, 'line\n', () => undefined, stop.signal)).rejects.toThrow('ENOSPC');
  disk.room = true;
  await appendPatiently(file, 'line\n', () => undefined, stop.signal);
  expect(disk.content).toBe('before\nline\n');
});
