import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

/** Lets the kernel forget all files, so that the next read comes from the disk. False where that is not allowed. */
export function dropPageCache(): boolean {
  try {
    execFileSync('sync');
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false;
  }
}
