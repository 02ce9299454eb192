/**
 * What a corpus of a size costs: build, files, start with and without the kernel's cache, memory, speed.
 *
 *     npx node bench/retrieval.ts size [--passages 12475,1000000] [--seconds 5] [--quick]
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { z } from 'zod';
import { benchDirectory, syntheticCorpus } from '../corpora.ts';
import { residentMiBOf } from '../process-facts.ts';
import type { BuildStep, SearchStep } from '../size/index-steps.ts';
import { startGradus } from '../start-gradus.ts';
import { writeFileSync } from 'node:fs';

const run = promisify(execFile);
const indexProcess = join(import.meta.dirname, '../size/index-process.ts');

export interface SizeRow {
  readonly passages: number;
  readonly build: BuildStep;
  /** Whether the page cache could be emptied first; if not, "cold" is as warm as the rest. */
  readonly cacheDropped: boolean;
  readonly cold: SearchStep;
  readonly warm: SearchStep;
  /** The whole process, from its start to the line that says that it serves. */
  readonly service: { readonly coldMs: number; readonly warmMs: number; readonly residentMiB: number };
}

export async function size(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      passages: { type: 'string', default: '12475,1000000' },
      seconds: { type: 'string', default: '5' },
      quick: { type: 'boolean', default: false },
    },
  });
  const seconds = values.quick ? 1 : z.coerce.number().positive().parse(values.seconds);
  const sizes = values.quick ? ['12475', '50000'] : values.passages.split(',');
  const rows: SizeRow[] = [];
  for (const passages of sizes.map((count) => z.coerce.number().int().positive().parse(count))) {
    const row = await measureSize(passages, seconds);
    process.stderr.write(describe(row));
    rows.push(row);
  }
  return { rows };
}

async function step<T>(...args: readonly string[]): Promise<T> {
  const { stdout } = await run(process.execPath, [indexProcess, ...args]);
  // The process prints one of the steps, which the caller has asked for.
  return JSON.parse(stdout) as T;
}

async function measureSize(passages: number, seconds: number): Promise<SizeRow> {
  const corpus = await syntheticCorpus(passages);
  const directory = await mkdtemp(join(benchDirectory, 'size-'));
  try {
    const index = join(directory, 'index');
    const queries = join(directory, 'queries.json');
    await writeFile(queries, JSON.stringify(corpus.questions));
    process.stderr.write(`building an index of ${passages} passages\n`);
    const build = await step<BuildStep>('build', corpus.path, index);
    const cacheDropped = dropPageCache();
    const cold = await step<SearchStep>('search', index, queries, String(seconds));
    const warm = await step<SearchStep>('search', index, queries, String(seconds));
    dropPageCache();
    const first = await serve(index);
    const second = await serve(index);
    const service = { coldMs: first.startMs, warmMs: second.startMs, residentMiB: second.residentMiB };
    return { passages, build, cacheDropped, cold, warm, service };
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function serve(index: string): Promise<{ startMs: number; residentMiB: number }> {
  await using server = await startGradus(['--index', index]);
  return { startMs: server.startMs, residentMiB: Math.round(residentMiBOf([server.pid])) };
}

function describe({ passages, build, cold, warm, service }: SizeRow): string {
  const { memory, rate } = warm;
  return (
    `  ${passages}: built in ${build.buildMs} ms (peak ${build.peakResidentMiB} MiB), ${build.indexBytes} bytes; ` +
    `opened in ${cold.openMs} cold, ${warm.openMs} ms warm; service ${service.coldMs} cold, ${service.warmMs} ms warm; ` +
    `${memory.opened.residentMiB} MiB open, ${memory.searched.residentMiB} MiB after 1,000 queries; ` +
    `${rate.queriesPerSecond}/s, p50 ${rate.p50Ms}, p99 ${rate.p99Ms} ms\n`
  );
}

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
