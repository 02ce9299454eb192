import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { repositoryRoot } from '#platform/repository.ts';

/** What services run from: sources, contracts, import map, and what set-up installs. */
const copied = ['services', 'proto', 'package.json'];
const linked = ['node_modules', '.venv'];

/** This checkout's code once more, in another folder. */
export async function copyCheckout(to: string): Promise<string> {
  await mkdir(to, { recursive: true });
  for (const name of copied) await cp(join(repositoryRoot, name), join(to, name), { recursive: true });
  for (const name of linked) await symlink(join(repositoryRoot, name), join(to, name));
  return to;
}
