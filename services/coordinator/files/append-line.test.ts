import { expect, test } from 'vitest';
import { appendLine } from './append-line.ts';

/** Nobody aborts, but for what is given. */
const until = (given: { readonly signal?: AbortSignal; readonly stop?: AbortSignal } = {}) => ({
  signal: new AbortController().signal,
  stop: new AbortController().signal,
  ...given,
});

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
  await appendLine(counting, 'line\n', ({ message }) => heard.push(message), until());
  expect(disk.content).toBe('before\nline\n');
  expect(heard).toEqual([expect.stringContaining('ENOSPC')]);
});

test.each(['signal', 'stop'])(
  'P10: the end of a run by its %s ends the wait for room, and nothing of the line stays behind',
  async (which) => {
    const { disk, file } = fileOnFullDisk();
    const end = new AbortController();
    const ended = until({ [which]: end.signal });
    await expect(appendLine(file, 'line\n', () => end.abort(), ended)).rejects.toMatchObject({
      code: 'cancelled',
    });
    expect(disk.content).toBe('before\n');
    // What has room is written afterwards too, and what has none is not waited for.
    await expect(appendLine(file, 'line\n', () => undefined, ended)).rejects.toMatchObject({ code: 'cancelled' });
    expect(disk.content).toBe('before\n');
    disk.room = true;
    await appendLine(file, 'line\n', () => undefined, ended);
    expect(disk.content).toBe('before\nline\n');
  },
);
