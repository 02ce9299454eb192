import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { benchPython } from '../python/environment.ts';
import type { EngineQuestion, EngineReport } from './engine.ts';

const run = promisify(execFile);
const maxBuffer = 64 * 1024 * 1024;

export const engineNames = ['gradus', 'bm25s-numpy', 'bm25s-numba', 'lancedb', 'orama'] as const;
export type EngineName = (typeof engineNames)[number];

export async function runEngine(name: EngineName, question: EngineQuestion): Promise<EngineReport> {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-engine-'));
  try {
    const path = join(directory, 'question.json');
    await writeFile(path, JSON.stringify(question));
    const [command, ...args] = await commandOf(name);
    const { stdout } = await run(command, [...args, path], { maxBuffer });
    // Both kinds of process print a report and nothing else.
    const report: EngineReport = JSON.parse(stdout);
    return report;
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function commandOf(name: EngineName): Promise<[string, ...string[]]> {
  switch (name) {
    case 'gradus':
    case 'lancedb':
    case 'orama':
      return [process.execPath, join(import.meta.dirname, 'engine-process.ts'), name];
    case 'bm25s-numpy':
    case 'bm25s-numba':
      return [
        await benchPython(),
        join(import.meta.dirname, '../python/bm25s_engine.py'),
        name === 'bm25s-numpy' ? 'numpy' : 'numba',
      ];
  }
}
