import Table from 'cli-table3';

/** A fault as it was made, and how long its service was away. */
export interface FaultRecord {
  readonly number: number;
  readonly label: string;
  readonly service: string;
  readonly action: 'kill' | 'freeze';
  readonly freezeMs: number;
  /** Unix milliseconds of the signal. */
  readonly atMs: number;
  /** What the run was at: `evaluation`, `rollouts` or `training`. */
  readonly phase: string;
  /** From the kill, or from the end of the freeze, until the service works again; undefined when it was never seen to. */
  readonly recoveredMs: number | undefined;
  /** Of a worker: until the last of the rollouts that it held ran again somewhere; absent when it held none. */
  readonly heldAgainMs?: number | undefined;
}

export interface RecoveryRow {
  readonly service: string;
  readonly kills: number;
  readonly killMedianMs: number | undefined;
  readonly killP95Ms: number | undefined;
  readonly heldMedianMs: number | undefined;
  readonly heldP95Ms: number | undefined;
  readonly freezes: number;
  readonly freezeMedianMs: number | undefined;
  readonly freezeP95Ms: number | undefined;
}

/** Nearest-rank quantile; undefined for no values. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

export function recoveryRows(faults: readonly FaultRecord[]): readonly RecoveryRow[] {
  return [...new Set(faults.map(({ service }) => service))].toSorted().map((service) => {
    const own = faults.filter((fault) => fault.service === service);
    const kills = own.filter(({ action }) => action === 'kill');
    const freezes = own.filter(({ action }) => action === 'freeze');
    const times = (of: readonly FaultRecord[], key: 'recoveredMs' | 'heldAgainMs') =>
      of.flatMap((fault) => fault[key] ?? []);
    return {
      service,
      kills: kills.length,
      killMedianMs: quantile(times(kills, 'recoveredMs'), 0.5),
      killP95Ms: quantile(times(kills, 'recoveredMs'), 0.95),
      heldMedianMs: quantile(times(kills, 'heldAgainMs'), 0.5),
      heldP95Ms: quantile(times(kills, 'heldAgainMs'), 0.95),
      freezes: freezes.length,
      freezeMedianMs: quantile(times(freezes, 'recoveredMs'), 0.5),
      freezeP95Ms: quantile(times(freezes, 'recoveredMs'), 0.95),
    };
  });
}

export function formatRecovery(rows: readonly RecoveryRow[]): string {
  const table = new Table({
    head: ['service', 'kills', 'median', 'p95', 'held again', 'p95', 'freezes', 'median', 'p95'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const row of rows) {
    table.push([
      row.service,
      row.kills,
      seconds(row.killMedianMs),
      seconds(row.killP95Ms),
      seconds(row.heldMedianMs),
      seconds(row.heldP95Ms),
      row.freezes,
      seconds(row.freezeMedianMs),
      seconds(row.freezeP95Ms),
    ]);
  }
  return table.toString();
}

export function seconds(milliseconds: number | undefined): string {
  return milliseconds === undefined ? '' : `${(milliseconds / 1000).toFixed(2)} s`;
}
