import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** What a process has used so far. Linux only: elsewhere there is nothing cheap to read. */
export interface ProcessUsage {
  /** User and system time. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

const ticksPerSecond = 100;
const pageBytes = 4096;

/** undefined when the process is gone, or the system has no /proc. */
export function readProcessUsage(pid: number): ProcessUsage | undefined {
  try {
    // The name in parentheses may hold spaces; the numbers begin after it.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]);
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
      residentBytes: pages * pageBytes,
    };
  } catch {
    return undefined;
  }
}

/** Resident memory in which a page that n processes share counts 1/n (PSS), in bytes; 0 when the process is gone or there is no /proc. */
function readProportionalBytes(pid: number): number {
  try {
    return 1024 * Number(/^Pss: +(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Seconds that all cores together were busy since boot, with any process. */
export function readBusySeconds(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) / 1000;
}

export interface SampledProcess {
  readonly label: string;
  readonly pid: number;
  readonly cpuSeconds: number;
  readonly residentMebibytes: number;
  readonly peakResidentMebibytes: number;
}

/** The kernel walks the page tables for PSS: a millisecond a process, so not for each sample. */
const samplesPerMemory = 8;

/** Follows processes from now on: CPU time since then, and the most memory that was seen. */
export function createUsageSampler(processes: readonly { readonly label: string; readonly pid: number }[]) {
  const first = new Map(processes.map(({ pid }) => [pid, readProcessUsage(pid)]));
  const last = new Map(first);
  const peak = new Map<number, number>();
  const others = processes.filter(({ pid }) => pid !== process.pid);
  const together = { resident: 0, proportional: 0 };
  let samples = 0;
  const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);

  function sample(): void {
    for (const { pid } of processes) {
      const usage = readProcessUsage(pid) ?? last.get(pid);
      last.set(pid, usage);
      peak.set(pid, Math.max(peak.get(pid) ?? 0, usage?.residentBytes ?? 0));
    }
    if (samples++ % samplesPerMemory > 0) return;
    const sum = (bytesOf: (pid: number) => number): number => others.reduce((all, { pid }) => all + bytesOf(pid), 0);
    together.resident = Math.max(
      together.resident,
      sum((pid) => last.get(pid)?.residentBytes ?? 0),
    );
    together.proportional = Math.max(together.proportional, sum(readProportionalBytes));
  }

  return {
    sample,
    /** The most that all but this process had at one time. */
    together: () => ({ resident: mebibytes(together.resident), proportional: mebibytes(together.proportional) }),
    result(): readonly SampledProcess[] {
      sample();
      return processes.map(({ label, pid }) => ({
        label,
        pid,
        cpuSeconds: Number(((last.get(pid)?.cpuSeconds ?? 0) - (first.get(pid)?.cpuSeconds ?? 0)).toFixed(2)),
        residentMebibytes: mebibytes(last.get(pid)?.residentBytes ?? 0),
        peakResidentMebibytes: mebibytes(peak.get(pid) ?? 0),
      }));
    },
  };
}
