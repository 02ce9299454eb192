import { readFile, readdir } from 'node:fs/promises';

/** A process as /proc shows it. */
export interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  /** Since the machine started, in ticks: with the id it names one process and no later one. */
  readonly startedTicks: number;
  readonly command: readonly string[];
}

/** The parts of /proc/PID/stat; the name may hold blanks and brackets, so it is cut off first. */
export function parseStat(text: string): { parent: number; startedTicks: number } | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [parent, startedTicks] = [Number(fields[1]), Number(fields[19])];
  return fields[0] === 'Z' || Number.isNaN(startedTicks) ? undefined : { parent, startedTicks };
}

/** Every process that runs here; one that is dead and not yet waited for is none. */
export async function runningProcesses(): Promise<readonly ProcessFacts[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(names.map((name) => processFacts(Number(name))));
  return found.filter((each) => each !== undefined);
}

export async function processFacts(pid: number): Promise<ProcessFacts | undefined> {
  try {
    const stat = parseStat(await readFile(`/proc/${pid}/stat`, 'utf8'));
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
    return stat === undefined ? undefined : { pid, command, ...stat };
  } catch {
    // Gone between the listing and the reading.
    return undefined;
  }
}

export async function childrenOf(pid: number): Promise<readonly ProcessFacts[]> {
  return (await runningProcesses()).filter(({ parent }) => parent === pid);
}

const names = (part: string) => (process: ProcessFacts) => process.command.some((word) => word.includes(part));

/** The shell that ends a fleet whose supervisor is gone. */
export async function guardianOf(supervisorPid: number): Promise<ProcessFacts | undefined> {
  return (await childrenOf(supervisorPid)).find(names('guardian.sh'));
}

/** A process of a custom scorer in Python, below the reward service, no matter who started it. */
export async function scorerOf(rewardPid: number): Promise<ProcessFacts | undefined> {
  const all = await runningProcesses();
  const parentOf = new Map(all.map(({ pid, parent }) => [pid, parent]));
  const isBelow = ({ pid }: ProcessFacts): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = parentOf.get(at))
      if (at === rewardPid) return true;
    return false;
  };
  return all.filter(isBelow).find(names('python_host.py'));
}

/** The program of a service, as its command line names it; empty for anything else. */
export function programOf({ command }: ProcessFacts): string {
  const program =
    command.find((word) => /services\/(?:scripted\/)?[a-z-]+\/main\.ts$|^gradus_learner\.|nats-server$/.test(word)) ??
    '';
  const ours = /services\/((?:scripted\/)?[a-z-]+)\//.exec(program)?.[1];
  return ours?.replace('/', '-') ?? program.replace(/^.*[/.]/, '');
}

/** What distinguishes one service's process from another's: its program and, of a service of ours, where it serves. */
export function isSameService(dead: ProcessFacts, other: ProcessFacts, address: string | undefined): boolean {
  if (programOf(dead) !== programOf(other) || programOf(dead) === '') return false;
  return address === undefined || other.command.includes(address);
}
