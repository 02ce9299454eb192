import { mkdir } from 'node:fs/promises';
import { TerminalError, TransientError } from '#platform/errors.ts';
import { startGuardian } from '#platform/runtime/guardian.ts';
import type { Guardian } from '#platform/runtime/guardian.ts';
import { endProcesses } from '#platform/runtime/end-processes.ts';
import { lockFile } from '#platform/runtime/file-lock.ts';
import type { FileLock } from '#platform/runtime/file-lock.ts';
import { identityOf, ownIdentity, stateOf } from '#platform/runtime/process-identity.ts';
import type { ProcessIdentity } from '#platform/runtime/process-identity.ts';
import {
  hasFleetFile,
  lockPath,
  readFleetFile,
  readRecordedFleet,
  removeFleetFile,
  saysOnDisk,
  writeFleetFile,
} from './fleet-file.ts';
import type { FleetFile } from './fleet-file.ts';

/** What the one who claims a home says about its fleet; the rest is known. */
export type FleetDescription = Omit<FleetFile, 'format' | 'supervisor' | 'startedAt' | 'processes'>;

/** A home that nobody else can start a fleet in, until it is released or this process ends, however it ends. */
export interface HomeClaim {
  readonly file: FleetFile;
  /** What a fleet that was killed had left here, as `nats (process 12)`; it has been ended. */
  readonly leftBehind: readonly string[];
  /** Its processes are recorded, so that the next fleet finds them if this process and the guardian are both killed. */
  readonly guardian: Guardian;
  /** Resolves when the file says so. A full disk delays it and is not an error: the file is written once there is room. */
  describe(change: Partial<FleetDescription>): Promise<void>;
  /** To be called once every process of the fleet has ended. */
  release(): Promise<void>;
}

/** How often the file is compared with what it should say. */
const healMs = 2_000;

/** Takes `home` for a fleet and ends what a killed one left there. Throws when another fleet has it. */
export async function claimHome(home: string, description: FleetDescription): Promise<HomeClaim> {
  await mkdir(home, { recursive: true });
  const lock = await lockFile(lockPath(home));
  if (lock === undefined) throw fleetBusy(home, await readRecordedFleet(home));
  try {
    return await claimLocked(home, lock, description);
  } catch (thrown) {
    lock.release();
    throw thrown;
  }
}

async function claimLocked(home: string, lock: FileLock, description: FleetDescription): Promise<HomeClaim> {
  const dead = await readRecordedFleet(home);
  const orphans = leftBehindBy(dead);
  let file: FleetFile = {
    ...description,
    format: 2,
    supervisor: ownIdentity(),
    startedAt: new Date().toISOString(),
    // Until they are gone: if we are killed meanwhile, the next one still knows them.
    processes: [...orphans],
  };
  await writeFleetFile(home, file);
  await endOrphans(home, orphans);
  file = { ...file, processes: [] };

  let released = false;
  let writing: Promise<void> = Promise.resolve();
  /** One after another; each writes what is true by then. */
  const write = (): Promise<void> => {
    writing = writing.then(async () => {
      if (released) return;
      await writeFleetFile(home, file).catch(() => {
        // Full or gone: the next comparison finds that it does not say what it should.
      });
    });
    return writing;
  };
  const healing = setInterval(() => {
    void saysOnDisk(home, file).then((same) => (same ? undefined : write()));
  }, healMs);
  healing.unref();

  const inner = startGuardian();
  const guardian: Guardian = {
    watch(pid) {
      inner.watch(pid);
      const identity = identityOf(pid);
      if (identity === undefined) return;
      file = { ...file, processes: [...file.processes, identity] };
      void write();
    },
    forget(pid) {
      inner.forget(pid);
      file = { ...file, processes: file.processes.filter((each) => each.pid !== pid) };
      void write();
    },
    release: () => inner.release(),
  };
  await write();

  return {
    get file() {
      return file;
    },
    leftBehind: orphans.map((orphan) => nameOf(orphan, dead)),
    guardian,
    async describe(change) {
      file = { ...file, ...change };
      await write();
    },
    async release() {
      if (released) return;
      clearInterval(healing);
      inner.release();
      released = true;
      await writing;
      await removeFleetFile(home);
      lock.release();
    },
  };
}

export function describeLeftBehind(names: readonly string[]): string {
  return `ended what a fleet that was killed had left here: ${names.join(', ')}`;
}

/** Processes of a fleet whose supervisor has ended. */
function leftBehindBy(dead: FleetFile | undefined): readonly ProcessIdentity[] {
  return (dead?.processes ?? []).filter((each) => stateOf(each) === 'alive');
}

function nameOf({ pid }: ProcessIdentity, fleet: FleetFile | undefined): string {
  return `${fleet?.services.find((service) => service.pid === pid)?.label ?? 'a service'} (process ${pid})`;
}

async function endOrphans(home: string, orphans: readonly ProcessIdentity[]): Promise<void> {
  const left = await endProcesses(orphans);
  if (left.length === 0) return;
  throw new TransientError(
    'unavailable',
    `a fleet that was killed left processes in ${home} that do not end, not by SIGKILL either: ${left.map(({ pid }) => pid).join(', ')}; they may wait for a disk: look at that, then try again`,
  );
}

/** Fails early, before inputs are made, when another fleet has `home`. */
export async function claimableHome(home: string): Promise<void> {
  const other = await readFleetFile(home);
  if (other !== undefined) throw fleetBusy(home, other);
}

/**
 * Ends what a killed fleet left in `home` and removes its file. Gives the names of what was ended, or undefined when nothing
 * was left at all.
 */
export async function clearHome(home: string): Promise<readonly string[] | undefined> {
  if (!(await hasFleetFile(home))) return undefined;
  const lock = await lockFile(lockPath(home));
  if (lock === undefined) throw fleetBusy(home, await readRecordedFleet(home));
  try {
    const dead = await readRecordedFleet(home);
    const orphans = leftBehindBy(dead);
    await endOrphans(home, orphans);
    await removeFleetFile(home);
    return orphans.map((orphan) => nameOf(orphan, dead));
  } finally {
    lock.release();
  }
}

/** `other` is undefined when the file does not say who it is. */
export function fleetBusy(home: string, other: FleetFile | undefined): TerminalError {
  if (other === undefined) {
    return new TerminalError(
      'failed_precondition',
      `another fleet starts or ends in ${home}; try again in a moment, or use another --home`,
    );
  }
  const { owner, recipePath } = other;
  return new TerminalError(
    'failed_precondition',
    `${owner === 'reader' ? recipePath : `a fleet for ${recipePath}`} runs in ${home} ${whoAndSince(other)}; ` +
      (stateOf(other.supervisor) === 'alive'
        ? `stop it with 'gradus stop --home ${home}' or use another --home`
        : `stop it there or use another --home`),
  );
}

/** `(process 12, since 2026-11-30 21:33:01 UTC)` */
export function whoAndSince({ supervisor, startedAt }: FleetFile): string {
  const where = stateOf(supervisor) === 'alive' ? '' : ' of another process namespace, container or machine';
  return `(process ${supervisor.pid}${where}, since ${startedAt.slice(0, 19).replace('T', ' ')} UTC)`;
}
