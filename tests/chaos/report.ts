import type { ChaosReport } from './chaos-run.ts';
import { formatRecovery, recoveryRows } from './recovery-table.ts';
import type { RecoveryRow } from './recovery-table.ts';
import type { Stall } from './stalls.ts';

const shownStalls = 5;

/** Faults of all runs by kind. */
export function reportRows({ runs }: Pick<ChaosReport, 'runs'>): readonly RecoveryRow[] {
  return recoveryRows(
    runs.flatMap(({ faults }) => faults),
    runs.flatMap(({ stalls }) => stalls),
  );
}

export function formatReport(report: ChaosReport): string {
  const { runs, findings, seed, skipped, records } = report;
  const faults = runs.flatMap((run) => run.faults);
  const stalls = runs.flatMap((run) => run.stalls).toSorted((a, b) => b.stallMs - a.stallMs);
  const sum = (of: (run: ChaosReport['runs'][number]) => number): number =>
    runs.reduce((total, run) => total + of(run), 0);
  const total = (key: keyof ChaosReport['runs'][number]['audit']['totals']) => sum(({ audit }) => audit.totals[key]);
  return `${formatRecovery(reportRows(report))}
seed ${seed}: ${faults.length} faults in ${sum((run) => run.seconds).toFixed(0)} s${skipped.map((why) => `; left out ${why}`).join('')}
rollouts: ${total('published')} published, ${total('completed')} completed, ${total('failedInfra')} failed, ${total('lost')} lost, ${total('duplicated')} counted twice, ${total('redundant')} results came again
accounting: ${records} records compared; ${sum(({ audit }) => audit.groups)} groups and ${sum(({ audit }) => audit.steps)} steps
longest times without progress: ${
    stalls
      .slice(0, shownStalls)
      .map((stall) => stallText(stall))
      .join(', ') || 'all below a second'
  }
${findings.length === 0 ? 'nothing is wrong' : findings.map((finding) => `WRONG ${finding}`).join('\n')}
`;
}

/** The same as Markdown, as docs/results/chaos.md has it. */
export function markdownReport(report: ChaosReport): string {
  const { runs, findings } = report;
  const stalls = runs.flatMap((run) => run.stalls).toSorted((a, b) => b.stallMs - a.stallMs);
  const faults = runs.flatMap((run) => run.faults);
  const sum = (of: (run: ChaosReport['runs'][number]) => number): number =>
    runs.reduce((total, run) => total + of(run), 0);
  const cell = (milliseconds: number | undefined): string =>
    milliseconds === undefined ? '' : (milliseconds / 1000).toFixed(2);
  const counted = (key: keyof ChaosReport['runs'][number]['audit']['totals']): string =>
    sum(({ audit }) => audit.totals[key]).toLocaleString('en-US');
  const rows = reportRows(report).map(
    ({ action, service, count, medianMs, worstMs, heldMedianMs, stalledMs }) =>
      `| ${action} | ${service} | ${count} | ${cell(medianMs)} | ${cell(worstMs)} | ${cell(heldMedianMs)} | ${cell(stalledMs)} |`,
  );
  return `| | |
|---|---|
| faults | ${faults.length} in ${sum((run) => run.seconds).toFixed(0)} s, ${runs.length === 1 ? 'one run' : `${runs.length} runs`} |
| rollouts | ${counted('published')} published, ${counted('completed')} completed, ${counted('failedInfra')} failed, **${counted('lost')} lost, ${counted('duplicated')} counted twice**, ${counted('redundant')} results came again |
| groups, steps | ${sum(({ audit }) => audit.groups)} opened and closed once, ${sum(({ audit }) => audit.steps)} formed and committed once |
| accounting | ${report.records === 0 ? 'not compared' : `${report.records} records compared with those of the run without faults`} |
| longest times without progress | ${stalls
    .slice(0, shownStalls)
    .map((stall) => stallText(stall))
    .join(', ')} |
| wrong | ${findings.length === 0 ? 'nothing' : `${findings.length} findings`} |

| fault | of | count | median | worst | held again | longest without progress |
|---|---|---|---|---|---|---|
${rows.join('\n')}
${findings.map((finding) => `- ${finding.split('\n')[0] ?? ''}`).join('\n')}
`;
}

function stallText({ stallMs, faults }: Stall): string {
  const named = faults.slice(0, 4).join(' ');
  return `${(stallMs / 1000).toFixed(1)} s (${faults.length === 0 ? 'no fault' : `fault ${named}`})`;
}
