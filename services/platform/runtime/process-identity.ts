/**
 * Which process it was: a process id alone is given again, in a container even to the same program. Start time and boot
 * distinguish two processes of one id; the namespace says whether an id means anything here.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { z } from 'zod';

export const processIdentitySchema = z.object({
  pid: z.int().min(1),
  /** Clock ticks since boot on Linux, a date elsewhere. Empty: not known. */
  startTime: z.string(),
  /** Of Linux; empty elsewhere, where the start time is a date. */
  bootId: z.string(),
  /** The namespace in which `pid` is meant; empty where there are none. */
  namespace: z.string(),
});
export type ProcessIdentity = Readonly<z.infer<typeof processIdentitySchema>>;

/** Of the process that has this id now. Undefined when there is none, or only the rest of one that nobody waited for. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const found = startTimeOf(pid);
  if (found === undefined) return undefined;
  return { pid, startTime: found, bootId: bootId(), namespace: namespace() };
}

/** Of this process. */
export function ownIdentity(): ProcessIdentity {
  return identityOf(process.pid) ?? { pid: process.pid, startTime: '', bootId: bootId(), namespace: namespace() };
}

/**
 * - `alive`: the very process lives, and its id reaches it.
 * - `gone`: it has ended; its id may be another's.
 * - `unknown`: it belongs to another process namespace (a container), or the system does not say when it was started. It may
 *   live, and must not be signalled.
 */
export function stateOf(identity: ProcessIdentity): 'alive' | 'gone' | 'unknown' {
  if (identity.bootId !== bootId()) return 'gone';
  if (identity.namespace !== namespace()) return 'unknown';
  const startTime = startTimeOf(identity.pid);
  if (startTime === undefined) return 'gone';
  if (startTime === '' || identity.startTime === '') return 'unknown';
  return startTime === identity.startTime ? 'alive' : 'gone';
}

/** Empty: there is such a process, and no more is known. Undefined: there is none. */
function startTimeOf(pid: number): string | undefined {
  if (!hasProc()) return startTimeFromPs(pid);
  // Started in a namespace of its own without a /proc of its own: what stands there is about others.
  if (readlinkSync('/proc/self') !== `${process.pid}`) return isAlive(pid) ? '' : undefined;
  const fields = statOf(pid);
  if (fields === undefined) return undefined;
  // The 22nd field is the start time.
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : (fields[19] ?? '');
}

/** proc(5): `pid (name) state ...`, from the state on; the name may hold spaces and brackets. Undefined: no such process. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** Whether the very process was stopped (SIGSTOP, Ctrl-Z, a debugger) and takes no signal but SIGKILL. False where that is not known. */
export function isStopped(identity: ProcessIdentity): boolean {
  if (!hasProc() || stateOf(identity) !== 'alive') return false;
  return /^[Tt]$/.test(statOf(identity.pid)?.[0] ?? '');
}

/** macOS and BSD. */
export function startTimeFromPs(pid: number): string | undefined {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', `${pid}`], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return line.startsWith('Z') ? undefined : line.replace(/^\S+\s+/, '');
  } catch {
    // It exits with 1 when there is no such process.
    return undefined;
  }
}

function hasProc(): boolean {
  return existsSync('/proc/self/stat');
}

function bootId(): string {
  return hasProc() ? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() : '';
}

function namespace(): string {
  return hasProc() ? readlinkSync('/proc/self/ns/pid') : '';
}

/** True while a process of that id exists, ours or not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
