import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { sleep, untilCancelled } from '#platform/async/sleep.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import { formatBytes } from '#platform/nats/store-bounds.ts';
import { mostFullMs } from '#platform/runtime/fleet-bounds.ts';
import { freeBytes } from './check-space.ts';

export interface FullDisk {
  readonly path: string;
  readonly freeBytes: number;
}

export interface DiskEvents {
  full(disk: FullDisk): void;
  hasRoom(disk: FullDisk, afterMs: number): void;
}

export interface DiskWatchOptions {
  /** Folders that are written to. */
  readonly paths: readonly string[];
  readonly events: DiskEvents;
  readonly signal: AbortSignal;
  /** A disk was full for `mostFullMs`, or could not be looked at `mostFailures` times in a row. */
  readonly onGivenUp: (error: Error) => void;
  readonly free?: (path: string) => Promise<number>;
  /** Longest wait for one look; a file system that hangs gives no answer. Default 10 s. */
  readonly lookMs?: number;
  readonly now?: () => number;
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

export interface DiskWatch {
  /** Undefined while all of them have room. */
  readonly full: FullDisk | undefined;
  /** Waits for room; whether it had to. */
  untilRoom(signal: AbortSignal): Promise<boolean>;
}

const everyMs = 2_000;
/** The largest message has 8 MiB: with less than two of them left the next write may fail. */
const fullBytes = 16 * 1024 * 1024;
/** Well above, so that the run does not stop again at once. */
const roomBytes = 4 * fullBytes;

/** A busy network file system answers later. */
const mostFailures = 5;
const mostLookMs = 10_000;

/** What is said of a disk that is full, wherever it is noticed. */
export function describeFullDisk({ path, freeBytes: free }: FullDisk): string {
  return (
    `the disk of ${path} is full (${formatBytes(free)} free): free at least ${formatBytes(roomBytes)} there; ` +
    `nothing is lost, and what runs goes on by itself if that is done within ${mostFullMs / 60_000} minutes`
  );
}

/** The first of these folders whose disk is full. */
export async function findFullDisk(
  paths: readonly string[],
  free: (path: string) => Promise<number> = freeBytes,
  leastBytes = fullBytes,
): Promise<FullDisk | undefined> {
  for (const path of paths) {
    const bytes = await free(path);
    if (bytes < leastBytes) return { path, freeBytes: bytes };
  }
  return undefined;
}

function fullTooLong({ path, freeBytes: free }: FullDisk): TransientError {
  return new TransientError(
    'resource_exhausted',
    `the disk of ${path} has been full for ${mostFullMs / 60_000} minutes (${formatBytes(free)} free); free some space, then resume the run`,
  );
}

function unreadable(cause: Error): TransientError {
  const message = `the disks of the fleet could not be looked at ${mostFailures} times in a row (last: ${cause.message}); see that the file system answers, then resume the run`;
  return new TransientError('unavailable', message, { cause });
}

/**
 * Looks at the disks every 2 s until `signal` aborts.
 *
 *   room --less than 16 MiB--> full --64 MiB or more--> room
 *                                |--30 minutes--> given up
 */
export function watchDisks(options: DiskWatchOptions): DiskWatch {
  const { paths, events, signal } = options;
  const now = options.now ?? (() => performance.now());
  const wait = options.wait ?? sleep;
  let full: FullDisk | undefined;
  let sinceMs = 0;
  let room = Promise.withResolvers<void>();
  room.resolve();

  let looking: Promise<void> | undefined;

  /** The timer and those who wait for room share one look. One that hangs goes on, and fails those who wait for it. */
  async function look(caller: AbortSignal): Promise<void> {
    looking ??= lookOnce().finally(() => (looking = undefined));
    using deadline = deadlineSignal(caller, options.lookMs ?? mostLookMs, 'looking at the disks');
    await untilCancelled(looking, deadline.signal);
  }

  async function lookOnce(): Promise<void> {
    const found = await findFullDisk(paths, options.free, full === undefined ? fullBytes : roomBytes);
    if (found !== undefined && full === undefined) {
      full = found;
      sinceMs = now();
      room = Promise.withResolvers();
      events.full(found);
    } else if (found === undefined && full !== undefined) {
      const was = full;
      full = undefined;
      events.hasRoom(was, now() - sinceMs);
      room.resolve();
    } else if (found !== undefined) {
      full = found;
    }
  }

  async function watch(): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await look(signal);
        failures = 0;
      } catch (thrown) {
        failures += 1;
        if (failures >= mostFailures) throw unreadable(errorFrom(thrown));
      }
      if (full !== undefined && now() - sinceMs > mostFullMs) throw fullTooLong(full);
      await wait(everyMs, signal);
    }
  }
  watch().catch((thrown: unknown) => {
    if (!signal.aborted) options.onGivenUp(errorFrom(thrown));
  });

  return {
    get full() {
      return full;
    },
    async untilRoom(caller) {
      // What ended a moment ago may have ended by a disk that the next look finds full.
      await look(caller).catch(() => undefined);
      if (full === undefined) return false;
      const ended = Promise.withResolvers<void>();
      const onAbort = (): void => ended.resolve();
      caller.addEventListener('abort', onAbort, { once: true });
      if (caller.aborted) onAbort();
      await Promise.race([room.promise, ended.promise]);
      caller.removeEventListener('abort', onAbort);
      return true;
    },
  };
}
