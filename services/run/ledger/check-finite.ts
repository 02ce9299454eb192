import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import { TerminalError } from '#platform/errors.ts';

/**
 * Refuses a fact with a number that is not finite, by its name: metrics.jsonl and summary.json would have null in its place, and anyone who
 * reads it later would not know why.
 */
export function checkFinite({ runId, fact }: LedgerEntry): void {
  const found = notFinite(fact.value, fact.case ?? 'nothing');
  if (found === undefined) return;
  throw new TerminalError(
    'data_loss',
    `run ${runId}: ${found} is not finite and is not written to the ledger; the run can be resumed from its last step`,
    { details: { runId, field: found } },
  );
}

/** `stepCommitted.metrics.loss (NaN)`: the first such number in a message, wherever it is. */
function notFinite(value: unknown, path: string): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${path} (${value})`;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const found = notFinite(inner, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
