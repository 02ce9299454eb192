import { readdirSync, readFileSync } from 'node:fs';

/** The kernel's unit of CPU time (`getconf CLK_TCK` is 100 on every Linux that Node runs on). */
const ticksPerSecond = 100;
const pageBytes = 4096;

/** A process and all that descend from it, itself first. Empty where /proc is absent. */
export function processTree(pid: number): number[] {
  const childrenOf = new Map<number, number[]>();
  for (const name of entriesOfProc()) {
    const parent = Number(statFields(Number(name))?.[1] ?? NaN);
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(name)]);
  }
  const tree = [pid];
  for (const member of tree) tree.push(...(childrenOf.get(member) ?? []));
  return tree;
}

/** CPU seconds that these processes have used, in user and kernel mode, all threads. NaN where /proc is absent. */
export function cpuSecondsOf(pids: readonly number[]): number {
  return sumOf(pids, (fields) => (Number(fields[11]) + Number(fields[12])) / ticksPerSecond);
}

/** Resident memory, MiB; what processes share counts for each. NaN where /proc is absent. */
export function residentMiBOf(pids: readonly number[]): number {
  return sumOf(pids, (fields) => (Number(fields[21]) * pageBytes) / 2 ** 20);
}

/** The most that one process ever held, MiB. NaN where /proc is absent. */
export function peakResidentMiBOf(pid: number): number {
  return statusKiB(pid, 'VmHWM') / 1024;
}

/** Resident memory that is not pages of a file, MiB: what stays when the page cache is dropped. */
export function anonymousMiBOf(pid: number): number {
  return (statusKiB(pid, 'RssAnon') + statusKiB(pid, 'RssShmem')) / 1024;
}

/** CPU seconds of the whole machine since it started, idle time left out. NaN where /proc is absent. */
export function machineCpuSeconds(): number {
  try {
    const line = readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '';
    const [user, nice, system, , , irq, softirq] = line.split(/\s+/).slice(1).map(Number);
    return ((user ?? 0) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0)) / ticksPerSecond;
  } catch {
    return NaN;
  }
}

/** CPU seconds that the machine's host took away from it. */
export function stolenCpuSeconds(): number {
  try {
    const line = readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '';
    return Number(line.split(/\s+/)[8] ?? NaN) / ticksPerSecond;
  } catch {
    return NaN;
  }
}

function sumOf(pids: readonly number[], of: (fields: readonly string[]) => number): number {
  return pids.reduce((sum, pid) => {
    const fields = statFields(pid);
    return sum + (fields === undefined ? NaN : of(fields));
  }, 0);
}

/** Fields of /proc/PID/stat after the name, which may hold spaces; the first is the state. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function statusKiB(pid: number, field: string): number {
  try {
    return Number(
      new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN,
    );
  } catch {
    return NaN;
  }
}

function entriesOfProc(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}
