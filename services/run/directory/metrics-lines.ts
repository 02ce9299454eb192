import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import { divergenceMetric, findDivergences } from '../reward-divergence.ts';
import { splitFinite } from '../ledger/finite.ts';
import { versionOf } from '../ledger/run-state.ts';
import type { RunState } from '../ledger/run-state.ts';

/**
 * The line of metrics.jsonl that a fact gives, if it gives one. `after` is the state with the fact. The file is a
 * projection of the ledger: a resumed run writes it again from the first entry, so no line is lost or doubled.
 */
export function metricsLine(entry: LedgerEntry, after: RunState): string | undefined {
  const { fact } = entry;
  if (fact.case !== 'stepCommitted' && fact.case !== 'evalFinished') return undefined;
  const stage = after.stages.at(-1);
  const divergence = { [divergenceMetric]: stage !== undefined && findDivergences(stage).length > 0 ? 1 : 0 };
  const head = { at: new Date(Number(entry.atMs)).toISOString(), run: after.runId };
  if (fact.case === 'stepCommitted') {
    const place = {
      stage: stage?.name,
      stage_index: stage?.index,
      round: stage?.round,
      stage_step: stage?.steps.length,
    };
    return line(
      { kind: 'step', ...head, ...place, step: Number(fact.value.step), version: Number(fact.value.version) },
      { ...fact.value.metrics, ...divergence },
      fact.value.notFinite,
    );
  }
  return line(
    {
      kind: 'eval',
      ...head,
      stage: fact.value.stage,
      name: fact.value.name,
      step: after.step,
      version: versionOf(after),
    },
    fact.value.name === 'baseline' ? fact.value.metrics : { ...fact.value.metrics, ...divergence },
  );
}

/** Numbers that are not finite would be written as null: their names are in `not_finite`. */
function line(
  head: Readonly<Record<string, unknown>>,
  metrics: Readonly<Record<string, number>>,
  leftOut: readonly string[] = [],
): string {
  const { finite, notFinite } = splitFinite(metrics);
  const sorted = Object.entries(finite).sort(([a], [b]) => (a < b ? -1 : 1));
  const names = [...new Set([...leftOut, ...notFinite])].sort();
  return `${JSON.stringify({ ...head, ...(names.length > 0 && { not_finite: names }), ...Object.fromEntries(sorted) })}\n`;
}
