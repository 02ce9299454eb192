/**
 * What keeps the processes of a scorer together: its time, its memory and its end hold for everything that it starts. It is found out
 * once what the system offers:
 *
 * | | where there is one | else |
 * |---|---|---|
 * | a process namespace | nothing in it outlives the first process, and its /proc shows no process outside | descendants and those with our mark in their environment are sought and ended |
 * | a memory control group | the kernel ends what goes over the limit | memory is added up every 50 ms |
 *
 * It is not a sandbox: files, network and, as root, the kernel are the scorer's as they are the service's.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { createMemoryCgroup, findCgroupParent } from './memory-cgroup.ts';
import type { CgroupParent } from './memory-cgroup.ts';
import { memoryBytes, processTree, processesWith } from './process-tree.ts';

export interface Containment {
  /** Flags of `unshare`; undefined where no namespace can be made. */
  readonly namespace: readonly string[] | undefined;
  readonly cgroup: CgroupParent | undefined;
}

/** One process of a scorer with all that it starts. */
export interface ContainedGroup {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** What the group does that it may not; undefined while that is nothing. */
  excess(pid: number): { readonly what: 'memory' | 'processes'; readonly detail: string } | undefined;
  /** SIGKILL for everything in it. */
  kill(pid: number): void;
  /** Once its first process has ended. */
  dispose(): Promise<void>;
}

export interface GroupCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly memoryMebibytes: number;
}

const mark = 'GRADUS_SCORER_GROUP';
/** A scorer has use for a few helpers; a fork bomb has no end. */
const mostProcesses = 256;
/** How often processes that left the tree are sought, where no namespace keeps them. */
const seekMs = 1_000;

const rootFlags = ['--pid', '--fork', '--kill-child=KILL', '--mount-proc'] as const;

export async function findContainment(): Promise<Containment> {
  const run = promisify(execFile);
  const tries = [rootFlags, ['--user', '--map-current-user', ...rootFlags]];
  for (const flags of tries) {
    try {
      await run('unshare', [...flags, '--', 'true'], { timeout: 10_000 });
      return { namespace: flags, cgroup: findCgroupParent() };
    } catch {
      // Not Linux, not permitted, or no such program.
    }
  }
  return { namespace: undefined, cgroup: findCgroupParent() };
}

/** For the log: what does not hold here, and what would make it hold. */
export function lackingContainment({ namespace, cgroup }: Containment): string[] {
  return [
    ...(namespace === undefined
      ? [
          "no process namespace: what a scorer starts and hides may outlive it, and it may read this service's environment; allow `unshare --pid --mount-proc`",
        ]
      : []),
    ...(cgroup === undefined
      ? [
          'no memory control group: memory is looked at every 50 ms, and a scorer may go over its limit between two looks; delegate a cgroup with its memory controller',
        ]
      : []),
  ];
}

export function createContainedGroup({ namespace, cgroup }: Containment, given: GroupCommand): ContainedGroup {
  const id = randomUUID();
  const memory = cgroup === undefined ? undefined : createMemoryCgroup(cgroup, id, given.memoryMebibytes);
  const limit = given.memoryMebibytes * 2 ** 20;
  const inNamespace = [...(namespace === undefined ? [] : ['unshare', ...namespace, '--']), given.command];
  const [command = given.command, ...args] = [
    ...(memory === undefined ? [] : ['/bin/sh', '-c', 'echo $$ > "$0" && exec "$@"', memory.processesFile]),
    ...inNamespace,
    ...given.args,
  ];
  let strays: readonly number[] = [];
  let soughtMs = 0;

  function members(pid: number): number[] {
    if (namespace !== undefined) return processTree(pid);
    const nowMs = performance.now();
    if (nowMs - soughtMs > seekMs) {
      strays = processesWith(mark, id);
      soughtMs = nowMs;
    }
    return [...new Set([...processTree(pid), ...strays])];
  }

  return {
    command,
    args,
    env: { ...given.env, [mark]: id },
    excess(pid) {
      if (memory?.outOfMemory() === true)
        return {
          what: 'memory',
          detail: `its processes needed more than memoryMebibytes (${given.memoryMebibytes}) together`,
        };
      const pids = members(pid);
      if (pids.length > mostProcesses)
        return { what: 'processes', detail: `it had ${pids.length} processes at once; at most ${mostProcesses}` };
      const bytes = memoryBytes(pids, limit);
      if (bytes === undefined || bytes <= limit) return undefined;
      const who = pids.length === 1 ? 'its process' : `its ${pids.length} processes`;
      const detail = `${who} held ${Math.round(bytes / 2 ** 20)} MiB; memoryMebibytes is ${given.memoryMebibytes}`;
      return { what: 'memory', detail };
    },
    kill(pid) {
      const known = namespace === undefined ? processTree(pid) : [];
      signalAll([-pid, ...known]);
      if (namespace !== undefined) return;
      // What forked between two looks is found by the next one.
      for (let looks = 5; looks > 0; looks -= 1) {
        const left = processesWith(mark, id);
        if (left.length === 0) return;
        signalAll(left);
      }
    },
    dispose: async () => await memory?.remove(),
  };
}

function signalAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      // Gone already, which is what was wanted; or another user's by now, whom we may not end.
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code !== 'ESRCH' && code !== 'EPERM') throw error;
    }
  }
}
