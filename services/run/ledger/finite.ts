import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import { TerminalError } from '#platform/errors.ts';

/** Metrics that are numbers, and the names of those that are NaN or infinite: JSON has no word for them, and means keep them forever. */
export function splitFinite(metrics: Readonly<Record<string, number>>): {
  readonly finite: Record<string, number>;
  /** In order. */
  readonly notFinite: readonly string[];
} {
  const finite: Record<string, number> = {};
  const notFinite: string[] = [];
  for (const [name, value] of Object.entries(metrics)) {
    if (Number.isFinite(value)) finite[name] = value;
    else notFinite.push(name);
  }
  return { finite, notFinite: notFinite.toSorted() };
}

/**
 * Refuses a fact with a number that is not finite, by its name: metrics.jsonl and summary.json would have null in its place, and anyone who
 * reads it later would not know why.
 */
export function checkFinite({ runId, fact }: LedgerEntry): void {
  const found = firstNotFinite(fact.value, fact.case ?? 'nothing');
  if (found === undefined) return;
  throw new TerminalError(
    'data_loss',
    `run ${runId}: ${found} is not finite and is not written to the ledger; the run can be resumed from its last step`,
    { details: { runId, field: found } },
  );
}

/** `stepCommitted.metrics.loss (NaN)`: the first such number in a message, wherever it is. */
function firstNotFinite(value: unknown, path: string): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${path} (${value})`;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const found = firstNotFinite(inner, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
