import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder for users' files, outside of this repository. */
export function userFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'gradus-environments-'));
  return {
    /** Its path. */
    write(name: string, text: string): string {
      const path = join(folder, name);
      writeFileSync(path, text);
      return path;
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
