import Table from 'cli-table3';
import type { Action } from './fault-cards.ts';
import type { Stall } from './stalls.ts';

/** A fault as it was made, and how long what it hit was unavailable. */
export interface FaultRecord {
  readonly number: number;
  /** Every process that it hit. */
  readonly label: string;
  readonly service: string;
  readonly action: Action;
  /** Unix milliseconds of the signal. */
  readonly atMs: number;
  /** From when on it could heal: the kill, the end of a freeze, the resume, the room on the disk. */
  readonly fromMs: number;
  /** No restart could heal anything until then; absent where one could from the begin. */
  readonly excusedUntilMs?: number;
  /** What the run was at: `evaluation`, `rollouts` or `training`. */
  readonly phase: string;
  /** From `fromMs` until the service works again; undefined when it was never seen to. */
  readonly recoveredMs: number | undefined;
  /** Of a worker: until the last of the rollouts that it held ran again somewhere; absent when it held none. */
  readonly heldAgainMs?: number | undefined;
  /** What was not as it should be. */
  readonly notes: readonly string[];
}

/** Faults of one kind. */
export interface RecoveryRow {
  readonly action: Action;
  readonly service: string;
  readonly count: number;
  readonly medianMs: number | undefined;
  readonly worstMs: number | undefined;
  readonly heldMedianMs: number | undefined;
  /** Longest time without any progress from one of them on, in a stall that it lies in or that followed it. 0: less than a second. */
  readonly stalledMs: number;
}

/** Nearest rank, so that a median of few values is one of them. Undefined without values. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

export function recoveryRows(faults: readonly FaultRecord[], stalls: readonly Stall[]): readonly RecoveryRow[] {
  const kinds = Map.groupBy(faults, ({ action, service }) => `${action} ${service}`);
  return [...kinds.values()]
    .flatMap((own): RecoveryRow[] => {
      const [first] = own;
      if (first === undefined) return [];
      const times = own.flatMap(({ recoveredMs }) => recoveredMs ?? []);
      const held = own.flatMap(({ heldAgainMs }) => heldAgainMs ?? []);
      const stalled = own.flatMap(({ number, atMs }) =>
        stalls
          .filter((stall) => stall.faults.includes(number))
          .map(({ fromMs, toMs, stallMs }) => Math.min(stallMs, toMs - Math.max(fromMs, atMs))),
      );
      return [
        {
          action: first.action,
          service: first.service,
          count: own.length,
          medianMs: quantile(times, 0.5),
          worstMs: quantile(times, 1),
          heldMedianMs: quantile(held, 0.5),
          stalledMs: Math.max(0, ...stalled),
        },
      ];
    })
    .toSorted((a, b) => (`${a.action} ${a.service}` < `${b.action} ${b.service}` ? -1 : 1));
}

export function formatRecovery(rows: readonly RecoveryRow[]): string {
  const table = new Table({
    head: ['fault', 'of', 'count', 'median', 'worst', 'held again', 'no progress'],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    table.push([
      row.action,
      row.service,
      row.count,
      seconds(row.medianMs),
      seconds(row.worstMs),
      seconds(row.heldMedianMs),
      seconds(row.stalledMs),
    ]);
  }
  return table.toString();
}

function seconds(milliseconds: number | undefined): string {
  return milliseconds === undefined ? '' : `${(milliseconds / 1000).toFixed(2)} s`;
}
