import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../../..');
const requirements = join(import.meta.dirname, 'requirements.txt');

/** A Python with what retrieval is compared with, made on first use and again when the requirements change. */
export async function benchPython(): Promise<string> {
  const directory = join(root, '.build/bench-venv');
  const python = join(directory, 'bin/python');
  const stamp = join(directory, 'requirements.sha256');
  const wanted = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex');
  if ((await readFile(stamp, 'utf8').catch(() => '')) === wanted) return python;
  process.stderr.write('installing bench/retrieval/python/requirements.txt into .build/bench-venv\n');
  // The project's own Python, which is new enough; its packages stay apart.
  await run(join(root, '.venv/bin/python'), ['-m', 'venv', directory]);
  await run(python, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '-r', requirements]);
  await writeFile(stamp, wanted);
  return python;
}
