import { askRankings } from './ask-rankings.ts';
import { isSameRanking, type Ranking } from './answers.ts';
import type { GeneratorPlan, GeneratorReport } from './generator-plan.ts';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Loads {
  /** Numbers of clients that each call as fast as they are answered. */
  readonly clients: readonly number[];
  /** Clients and calls a second of all of them together. */
  readonly paced: readonly { readonly clients: number; readonly callsPerSecond: number }[];
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly timeoutSeconds: number;
}

export interface LoadRow extends GeneratorReport {
  readonly clients: number;
  readonly callsPerSecond?: number | undefined;
}

export interface MeasuredLoads {
  /** Queries to which the idle server gave another answer than expected; absent where nothing else says what to expect. */
  readonly idleDiffers?: number | undefined;
  readonly rows: readonly LoadRow[];
}

/**
 * One server under several loads in turn. The answers expected under load are those that it gives when idle, and those are
 * compared with `expected` where it is known.
 */
export async function measureLoads(
  target: Pick<GeneratorPlan, 'protocol' | 'address' | 'serverPid' | 'topK' | 'tolerance'>,
  queries: readonly string[],
  loads: Loads,
  options: { readonly expected?: readonly Ranking[] | undefined; readonly onRow: (row: LoadRow) => void },
): Promise<MeasuredLoads> {
  const timeoutMs = loads.timeoutSeconds * 1000;
  const idle = await askRankings({ ...target, timeoutMs }, queries);
  const { expected } = options;
  const differs = expected?.filter((ranking, index) => !isSameRanking(ranking, idle[index] ?? [], target.tolerance));
  const calls = queries.map((query, index) => ({ query, ranking: [...(idle[index] ?? [])] }));
  const rows: LoadRow[] = [];
  for (const load of [...loads.clients.map((clients) => ({ clients })), ...loads.paced]) {
    const report = await generateLoad({
      ...target,
      ...load,
      warmUpMs: loads.warmUpSeconds * 1000,
      measureMs: loads.seconds * 1000,
      timeoutMs,
      calls,
    });
    const row = { ...load, ...report };
    options.onRow(row);
    rows.push(row);
  }
  return { idleDiffers: differs?.length, rows };
}

const run = promisify(execFile);

/** Runs a plan in a process of its own. */
export async function generateLoad(plan: GeneratorPlan): Promise<GeneratorReport> {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-load-'));
  try {
    const path = join(directory, 'plan.json');
    await writeFile(path, JSON.stringify(plan));
    const { stdout } = await run(process.execPath, [join(import.meta.dirname, 'generator.ts'), path]);
    // The generator prints nothing else.
    const report: GeneratorReport = JSON.parse(stdout);
    return report;
  } finally {
    await rm(directory, { recursive: true });
  }
}
