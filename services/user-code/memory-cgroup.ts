/**
 * A bound of the kernel on the memory of a group of processes, versions 1 and 2 of control groups. It needs a group of our own that
 * may have groups below it: root on a machine, or a delegated subtree. In most containers there is none.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '#platform/async/sleep.ts';
import { ownIdentity, stateOf } from '#platform/runtime/process-identity.ts';

export interface MemoryCgroup {
  /** Anyone who writes its process id here is in the group, with all that it starts. */
  readonly processesFile: string;
  /** The kernel has ended a process of the group because its memory was used up. */
  outOfMemory(): boolean;
  /** Once its processes have ended. Never throws; what is left is removed by the next service that starts. */
  remove(): Promise<void>;
}

const prefix = 'gradus-scorer-';
const removeTries = 40;

/** Whose group it is: nobody else removes it while its maker lives, also not before the first process is in it. */
function nameOf(name: string): string {
  const { pid, startTime, namespace } = ownIdentity();
  return `${prefix}${pid}-${startTime}-${namespaceId(namespace)}-${name}`;
}

const namespaceId = (namespace: string): string => /\d+/.exec(namespace)?.[0] ?? '';

function makerIsGone(group: string): boolean {
  const [, pid, startTime = '', namespace] = /^gradus-scorer-(\d+)-(\d*)-(\d*)-/.exec(group) ?? [];
  if (pid === undefined) return false;
  const own = ownIdentity();
  if (namespace !== namespaceId(own.namespace)) return false;
  return stateOf({ ...own, pid: Number(pid), startTime }) === 'gone';
}

interface Version {
  readonly limitFile: string;
  readonly eventsFile: string;
  /** Written where they exist. */
  readonly more: (bytes: number) => readonly (readonly [file: string, value: string])[];
}

const versions = {
  1: {
    limitFile: 'memory.limit_in_bytes',
    eventsFile: 'memory.oom_control',
    more: (bytes) => [['memory.memsw.limit_in_bytes', String(bytes)]],
  },
  2: {
    limitFile: 'memory.max',
    eventsFile: 'memory.events',
    more: () => [
      ['memory.swap.max', '0'],
      ['memory.oom.group', '1'],
    ],
  },
} as const satisfies Record<1 | 2, Version>;

export interface CgroupParent {
  readonly directory: string;
  readonly version: 1 | 2;
}

/** Where groups can be made; undefined where they cannot. Removes what services that were killed left. */
export function findCgroupParent(root = '/sys/fs/cgroup', ownGroups = '/proc/self/cgroup'): CgroupParent | undefined {
  for (const parent of candidates(root, ownGroups)) {
    const probe = join(parent.directory, nameOf('probe'));
    try {
      for (const name of readdirSync(parent.directory)) if (makerIsGone(name)) removeEmpty(parent, name);
      mkdirSync(probe);
      try {
        writeFileSync(join(probe, versions[parent.version].limitFile), String(2 ** 30));
        return parent;
      } finally {
        rmdirSync(probe);
      }
    } catch {
      // Read-only, not delegated or not there: what the caller does then, it says.
    }
  }
  return undefined;
}

function candidates(root: string, ownGroups: string): CgroupParent[] {
  let text: string;
  try {
    text = readFileSync(ownGroups, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line): CgroupParent[] => {
    const [, controllers = '', path = ''] = line.split(':');
    if (controllers.split(',').includes('memory')) return [{ directory: join(root, 'memory', path), version: 1 }];
    return controllers === '' && path !== '' ? [{ directory: join(root, path), version: 2 }] : [];
  });
}

/** A group that holds a process cannot be removed: it is another service's. */
function removeEmpty({ directory }: CgroupParent, name: string): void {
  try {
    rmdirSync(join(directory, name));
  } catch {
    // In use.
  }
}

/** Throws when the group cannot be made. */
export function createMemoryCgroup(parent: CgroupParent, name: string, mebibytes: number): MemoryCgroup {
  const { limitFile, eventsFile, more } = versions[parent.version];
  const directory = join(parent.directory, nameOf(name));
  const bytes = mebibytes * 2 ** 20;
  mkdirSync(directory);
  writeFileSync(join(directory, limitFile), String(bytes));
  for (const [file, value] of more(bytes))
    if (existsSync(join(directory, file))) writeFileSync(join(directory, file), value);
  return {
    processesFile: join(directory, 'cgroup.procs'),
    outOfMemory() {
      try {
        return /^oom_kill [1-9]/m.test(readFileSync(join(directory, eventsFile), 'utf8'));
      } catch {
        // Removed: its processes have ended, and somebody has read it before.
        return false;
      }
    },
    async remove() {
      for (let left = removeTries; left > 0; left -= 1) {
        try {
          rmdirSync(directory);
          return;
        } catch {
          // The kernel has not yet forgotten the last process.
          if (!existsSync(directory)) return;
          await sleep(50);
        }
      }
    },
  };
}
