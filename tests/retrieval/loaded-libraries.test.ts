import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { repositoryRoot } from '#platform/repository.ts';
import { fivePages, writeCorpus } from './http-api.ts';

/** Native libraries that a program has loaded when it says that it is ready, of those that only some indexes need. */
async function librariesOf(...args: readonly string[]): Promise<readonly string[]> {
  const child = spawn('node', args, { cwd: repositoryRoot, stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await exit;
  });
  await once(child.stdout, 'data');
  const maps = readFileSync(`/proc/${child.pid}/maps`, 'utf8');
  return [...new Set([...maps.matchAll(/lancedb|usearch|onnxruntime/g)].map(([name]) => name))].toSorted();
}

test.skipIf(process.platform !== 'linux')(
  'retrieval with words loads neither LanceDB nor the libraries of vectors and graphs',
  async () => {
    const corpus = await writeCorpus(fivePages);
    expect(await librariesOf('services/retrieval/main.ts', '--corpus', corpus)).toEqual([]);
    // They would be seen: a program that asks for them has them.
    const both =
      "await import('@lancedb/lancedb'); await import('usearch'); console.log('ready'); setInterval(() => {}, 1e6)";
    expect(await librariesOf('--input-type=module', '-e', both)).toEqual(['lancedb', 'usearch']);
  },
);
