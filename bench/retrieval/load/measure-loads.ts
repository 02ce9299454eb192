import { askRankings } from './ask-rankings.ts';
import { isSameRanking, type Ranking } from './answers.ts';
import { generateLoad } from './generate-load.ts';
import type { GeneratorPlan, GeneratorReport } from './generator-plan.ts';

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
