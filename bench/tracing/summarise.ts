/** What one run of `gradus bench rollouts` gave, and what a collector got of it. */
export interface Measured {
  readonly cpuMsPerRollout: number;
  readonly rolloutsPerSecond: number;
  /** CPU of the collector, in another process, per rollout of the whole run. */
  readonly collectorCpuMsPerRollout: number;
  /** By kind of process, as `rollout` for `rollout-1`. */
  readonly cpuMsByService: Readonly<Record<string, number>>;
  readonly tracedRollouts: number;
  readonly spans: number;
  readonly coresOfOthers: number;
}

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/**
 * Per setting the values of each round, and CPU as a ratio to `baseline` in the same round: the rounds differ by what else the machine does, and
 * the ratios less. A second setting that is the baseline again shows how far two equal ones lie apart.
 */
export function summarise<S extends string>(rounds: readonly Readonly<Record<S, Measured>>[], baseline: S) {
  const settings = Object.keys(rounds[0] ?? {}) as S[];
  return settings.map((setting) => {
    const results = rounds.map((round) => round[setting]);
    const traced = results.reduce((sum, { tracedRollouts }) => sum + tracedRollouts, 0);
    const spans = results.reduce((sum, each) => sum + each.spans, 0);
    const services = Object.keys(results[0]?.cpuMsByService ?? {});
    return {
      setting,
      cpuMsPerRollout: results.map(({ cpuMsPerRollout }) => cpuMsPerRollout),
      cpuRatio: spreadOf(rounds.map((round) => round[setting].cpuMsPerRollout / round[baseline].cpuMsPerRollout)),
      cpuMsMoreByService: Object.fromEntries(
        services.map((service) => [
          service,
          spreadOf(
            rounds.map(
              (round) => (round[setting].cpuMsByService[service] ?? 0) - (round[baseline].cpuMsByService[service] ?? 0),
            ),
          ),
        ]),
      ),
      rolloutsPerSecond: results.map(({ rolloutsPerSecond }) => rolloutsPerSecond),
      collectorCpuMsPerRollout: spreadOf(results.map(({ collectorCpuMsPerRollout }) => collectorCpuMsPerRollout)),
      tracedRollouts: results.map(({ tracedRollouts }) => tracedRollouts),
      spansPerTracedRollout: traced === 0 ? 0 : Number((spans / traced).toFixed(2)),
      coresOfOthers: results.map(({ coresOfOthers }) => coresOfOthers),
    };
  });
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? NaN;
  const half = sorted.length / 2;
  const median = Number.isInteger(half) ? (at(half - 1) + at(half)) / 2 : at(Math.floor(half));
  const rounded = (value: number): number => Number(value.toFixed(3));
  return { median: rounded(median), least: rounded(at(0)), most: rounded(at(sorted.length - 1)) };
}
