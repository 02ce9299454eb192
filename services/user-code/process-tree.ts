/** Processes that descend from one, as Linux's /proc lists them; elsewhere nothing is known of them. */
import { readFileSync, readdirSync } from 'node:fs';

const pageBytes = 4096;

/** `pid` and all that descend from it, without zombies. A process whose parent has ended belongs to it no more. */
export function processTree(pid: number): number[] {
  const found: number[] = [];
  const open = [pid];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.includes(next)) continue;
    if (!isZombie(next)) found.push(next);
    open.push(...childrenOf(next));
  }
  return found;
}

/** Each thread has the children that it forked. */
function childrenOf(pid: number): number[] {
  return list(`/proc/${pid}/task`).flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`)
      .split(' ')
      .filter((child) => child !== '')
      .map(Number),
  );
}

function isZombie(pid: number): boolean {
  const stat = read(`/proc/${pid}/stat`);
  return stat[stat.lastIndexOf(')') + 2] === 'Z';
}

/** Processes that were started with this variable, wherever they are by now. One that changed its environment is not found. */
export function processesWith(variable: string, value: string): number[] {
  const wanted = `${variable}=${value}`;
  return list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(`/proc/${pid}/environ`).split('\0').includes(wanted))
    .map(Number);
}

/**
 * Memory that processes hold together, in bytes. Undefined where the system does not say. Pages of 4 KiB are assumed. Above `limit` the
 * pages that they share are counted once, which takes longer.
 */
export function memoryBytes(pids: readonly number[], limit: number): number | undefined {
  const sizes = pids.map((pid) => read(`/proc/${pid}/statm`)).filter((text) => text !== '');
  if (sizes.length === 0) return undefined;
  const resident = sizes.reduce((sum, text) => sum + Number(text.split(' ')[1]) * pageBytes, 0);
  if (resident <= limit || sizes.length === 1) return resident;
  const shares = pids.map((pid) => /^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1]);
  return shares.every((share) => share === undefined)
    ? resident
    : shares.reduce((sum, share) => sum + Number(share ?? 0) * 1024, 0);
}

/** Empty for what is gone in the meantime, or may not be read. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
