import { readFileSync } from 'node:fs';

const pageBytes = 4096;

/**
 * Memory that a process holds, in bytes. Undefined where the system does not tell (anything but Linux) or the process is gone.
 * Pages of 4 KiB are assumed: where they are larger it holds more than this says.
 */
export function residentBytes(pid: number): number | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/statm`, 'utf8');
  } catch {
    return undefined;
  }
  const pages = Number(text.split(' ')[1]);
  return Number.isFinite(pages) ? pages * pageBytes : undefined;
}
