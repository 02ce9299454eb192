import { percentilesOf, type Percentiles } from './load/tally.ts';

export interface Rate extends Percentiles {
  readonly queries: number;
  readonly queriesPerSecond: number;
  /** Of all threads of this process; does not suffer from what else runs on the machine. */
  readonly queriesPerCpuSecond: number;
}

/**
 * `callers` ask at once, each its next query when the last is answered, for a while; a tenth of the time goes before to warm
 * up. One caller and a search that does not wait: a plain loop.
 */
export async function measureRate(
  queries: readonly string[],
  seconds: number,
  callers: number,
  search: (query: string) => unknown,
): Promise<Rate> {
  let next = 0;
  const run = async (forMs: number): Promise<number[]> => {
    const latencies: number[] = [];
    const until = performance.now() + forMs;
    const caller = async (): Promise<void> => {
      for (let before = performance.now(); before < until;) {
        const answer = search(queries[next++ % queries.length] ?? '');
        if (answer instanceof Promise) await answer;
        const after = performance.now();
        latencies.push(after - before);
        before = after;
      }
    };
    await Promise.all(Array.from({ length: callers }, caller));
    return latencies;
  };
  await run(seconds * 100);
  const started = performance.now();
  const cpuBefore = process.cpuUsage();
  const latencies = await run(seconds * 1000);
  const { user, system } = process.cpuUsage(cpuBefore);
  const elapsedMs = performance.now() - started;
  return {
    queries: latencies.length,
    queriesPerSecond: Math.round((latencies.length / elapsedMs) * 1000),
    queriesPerCpuSecond: Math.round(latencies.length / ((user + system) / 1e6)),
    ...percentilesOf(latencies),
  };
}
