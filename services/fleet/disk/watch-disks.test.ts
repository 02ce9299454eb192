import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { checkSpace, freeBytes } from './check-space.ts';
import { describeFullDisk, watchDisks } from './watch-disks.ts';

const MiB = 1024 ** 2;

/** `free` is what the disk has at each look, in MiB, or why it does not say; the last one stays. */
function watch(free: readonly (number | Error)[]) {
  let looks = 0;
  let clock = 0;
  const log: string[] = [];
  const end = new AbortController();
  onTestFinished(() => end.abort());
  const givenUp = Promise.withResolvers<Error>();
  const disk = watchDisks({
    paths: ['/store'],
    signal: end.signal,
    now: () => clock,
    free: async () => {
      const found = free[Math.min(looks++, free.length - 1)] ?? 0;
      if (found instanceof Error) throw found;
      return found * MiB;
    },
    wait: async (milliseconds) => {
      clock += milliseconds;
      await new Promise((resolve) => setImmediate(resolve));
    },
    onGivenUp: givenUp.resolve,
    events: {
      full: (found) => log.push(describeFullDisk(found)),
      hasRoom: ({ path }, afterMs) => log.push(`room in ${path} after ${afterMs}`),
    },
  });
  return { disk, log, givenUp: givenUp.promise, signal: end.signal };
}

test('P10: a full disk is said at once with path, free bytes and what to do; what waits for room goes on when there is some', async () => {
  const { disk, log, signal } = watch([900, 3, 3, 30, 900]);
  while (disk.full === undefined) await new Promise((resolve) => setImmediate(resolve));
  expect(log[0]).toMatch(/^the disk of \/store is full \(3 MiB free\): free at least 64 MiB there; nothing is lost/);
  expect(await disk.untilRoom(signal)).toBe(true);
  expect(log[1]).toMatch(/^room in \/store after \d+$/);
  expect(await disk.untilRoom(signal)).toBe(false);
});

test('P10: a disk that stays full is given up after 30 minutes, with its name', async () => {
  const { givenUp } = watch([0]);
  expect((await givenUp).message).toMatch(
    /^the disk of \/store has been full for 30 minutes \(0 MiB free\); free some space, then resume/,
  );
});

test('P10: a disk that cannot be looked at for a moment ends no fleet; one that never can is given up with the reason', async () => {
  const broken = new Error("EIO: i/o error, statfs '/store'");
  const passing = watch([broken, broken, 900, broken, broken, broken, broken, 900, 3, 900]);
  while (passing.log.length < 2) await new Promise((resolve) => setImmediate(resolve));
  expect(passing.log[1]).toMatch(/^room in \/store/);
  expect((await watch([900, broken]).givenUp).message).toMatch(
    /^the disks of the fleet could not be looked at 5 times in a row \(last: EIO: i\/o error, statfs '\/store'\)/,
  );
});

test('one look at a time: anyone who waits for room shares that of the timer, and a full disk is reported once', async () => {
  const end = new AbortController();
  onTestFinished(() => end.abort());
  const answer = Promise.withResolvers<number>();
  let asked = 0;
  let reported = 0;
  const disk = watchDisks({
    paths: ['/store'],
    signal: end.signal,
    free: () => {
      asked += 1;
      return answer.promise;
    },
    onGivenUp: () => undefined,
    events: { full: () => void (reported += 1), hasRoom: () => undefined },
  });
  const waiting = [disk.untilRoom(end.signal), disk.untilRoom(end.signal)];
  answer.resolve(0);
  while (disk.full === undefined) await new Promise((resolve) => setImmediate(resolve));
  expect([asked, reported]).toEqual([1, 1]);
  end.abort();
  expect(await Promise.all(waiting)).toEqual([true, true]);
});

test('P3, P10: a disk that never answers holds nobody up who waits for room, and the fleet is given up with the reason', async () => {
  const end = new AbortController();
  onTestFinished(() => end.abort());
  const ended = Promise.withResolvers<Error>();
  let asked = 0;
  const disk = watchDisks({
    paths: ['/store'],
    signal: end.signal,
    lookMs: 5,
    free: () => {
      asked += 1;
      return new Promise(() => undefined);
    },
    wait: () => new Promise((resolve) => setImmediate(resolve)),
    onGivenUp: ended.resolve,
    events: { full: () => undefined, hasRoom: () => undefined },
  });
  expect(await disk.untilRoom(end.signal)).toBe(false);
  expect((await ended.promise).message).toMatch(
    /^the disks of the fleet could not be looked at 5 times in a row \(last: /,
  );
  expect(asked).toBe(1);
});

test('before a start: refused with both numbers below the least, warned of below the usual', async () => {
  const home = await mkdtemp(join(tmpdir(), 'gradus-space-'));
  const at = { home, logs: join(home, 'run', 'logs') };
  await expect(checkSpace(at, async () => 96 * MiB)).rejects.toThrow(
    /the disk of .*nats has 96 MiB free, and the streams of NATS need at least 2\d\d MiB/,
  );
  await expect(checkSpace(at, async () => 0)).rejects.toThrow(/the disk of .*logs has 0 MiB free/);
  expect(await checkSpace(at, async () => 1200 * MiB)).toMatch(
    /has 1\.2 GiB free, the streams of NATS take .* GiB by default/,
  );
  expect(await checkSpace(at, async () => 1e12)).toBeUndefined();
});

test('the free bytes of a folder that is not there yet are those of its disk', async () => {
  const home = await mkdtemp(join(tmpdir(), 'gradus-space-'));
  expect(await freeBytes(join(home, 'not', 'yet'))).toBeGreaterThan(0);
});
