import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import { divergenceMetric, findDivergences } from '../reward-hacking/reward-divergence.ts';
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

function line(head: Readonly<Record<string, unknown>>, metrics: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(metrics).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${JSON.stringify({ ...head, ...Object.fromEntries(sorted) })}\n`;
}
