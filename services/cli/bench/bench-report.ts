import { machineFacts } from '#platform/runtime/machine-facts.ts';
import { tableLines } from '../terminal/format.ts';
import type { BenchOptions } from './bench-options.ts';
import type { SampledProcess } from './process-usage.ts';
import type { Quantiles, TallyCounts } from './tally.ts';

export interface BenchReport {
  readonly bench: 'rollouts';
  /** No model played: the figures are the platform's. */
  readonly policy: 'scripted';
  readonly machine: ReturnType<typeof machineFacts>;
  readonly settings: BenchOptions;
  readonly seconds: number;
  readonly rolloutsPerSecond: number;
  readonly turnsPerSecond: number;
  /** Time that a turn takes beyond its engine's: gateway, tools, tokens, reward and records. */
  readonly overheadMsPerTurn: Quantiles;
  /** CPU time of the whole fleet and the bench; unlike rates, hardly disturbed by others on the machine. */
  readonly cpuMsPerRollout: number;
  readonly rewardMean: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly redelivered: number;
  readonly failures: Readonly<Record<string, number>>;
  /** Cores in use on average: by this bench and its fleet, and by everything else on the machine. */
  readonly coresUsed: { readonly bench: number; readonly others: number };
  /** The most that the fleet had at one time: with shared pages counted for each process, and with them shared out (PSS). */
  readonly fleetMebibytes: { readonly resident: number; readonly proportional: number };
  readonly processes: readonly SampledProcess[];
}

export interface Measured {
  readonly seconds: number;
  readonly counts: TallyCounts;
  readonly overheadMsPerTurn: Quantiles;
  readonly redelivered: number;
  readonly processes: readonly SampledProcess[];
  readonly fleetMebibytes: BenchReport['fleetMebibytes'];
  /** Of the whole machine, in the measured time. */
  readonly busySeconds: number;
}

export function buildBenchReport(settings: BenchOptions, measured: Measured): BenchReport {
  const { seconds, counts } = measured;
  const own = measured.processes.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
  const round = (value: number, digits: number): number => Number(value.toFixed(digits));
  return {
    bench: 'rollouts',
    policy: 'scripted',
    machine: machineFacts(),
    settings,
    seconds: round(seconds, 2),
    rolloutsPerSecond: round(counts.answered / seconds, 2),
    turnsPerSecond: round(counts.turns / seconds, 1),
    overheadMsPerTurn: measured.overheadMsPerTurn,
    cpuMsPerRollout: round((own * 1000) / counts.answered, 2),
    rewardMean: round(counts.rewardMean, 3),
    lost: settings.rollouts - counts.answered,
    duplicated: counts.duplicated + counts.unknown,
    redelivered: measured.redelivered,
    failures: counts.failures,
    coresUsed: { bench: round(own / seconds, 2), others: round(Math.max(0, measured.busySeconds - own) / seconds, 2) },
    fleetMebibytes: measured.fleetMebibytes,
    processes: measured.processes,
  };
}

export function formatBenchReport(report: BenchReport): string[] {
  const rows = report.processes.map(({ label, cpuSeconds, residentMebibytes, peakResidentMebibytes }) => [
    label,
    cpuSeconds.toFixed(1),
    (cpuSeconds / report.seconds).toFixed(2),
    `${residentMebibytes}`,
    `${peakResidentMebibytes}`,
  ]);
  const { overheadMsPerTurn: overhead, settings, machine, coresUsed } = report;
  const failures = Object.entries(report.failures).map(([name, times]) => `${times} ${name}`);
  return [
    `${settings.rollouts} rollouts of ${settings.turns} turns in ${report.seconds} s: ${report.rolloutsPerSecond} rollouts/s, ${report.turnsPerSecond} turns/s`,
    `beyond the engine's time, per turn: median ${overhead.median} ms, p90 ${overhead.p90} ms, p99 ${overhead.p99} ms`,
    `lost ${report.lost}, counted twice ${report.duplicated}, redelivered ${report.redelivered}, failed ${failures.length === 0 ? 'none' : failures.join(', ')}`,
    ...tableLines(rows, {
      head: ['process', 'CPU s', 'cores', 'MiB', 'peak MiB'],
      compact: true,
      align: ['left', 'right', 'right', 'right', 'right'],
    }),
    `${machine.cores} cores (${machine.cpu}): ${coresUsed.bench} in use by the bench, ${coresUsed.others} by others; ${report.cpuMsPerRollout} ms of CPU per rollout`,
    `memory of the fleet: ${report.fleetMebibytes.proportional} MiB; ${report.fleetMebibytes.resident} MiB with shared pages counted for each process`,
    'policy: scripted; no model played',
  ];
}
