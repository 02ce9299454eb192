import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Every file of the home: logs, run files, the store of NATS with the ledger. */
export async function filesWith(home: string, secrets: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(home, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path).catch(() => Buffer.of());
    if (secrets.some((secret) => bytes.includes(secret))) found.push(path);
  }
  return found;
}
