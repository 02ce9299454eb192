import Table from 'cli-table3';
import { firedOften } from './fired-often.ts';
import { formatDuration } from '../terminal/format-duration.ts';
import type { EvalDetail, RunSummary, Scores } from './run-summary.ts';

type Stage = RunSummary['stages'][number];

/** Before and after each stage, over all held-out questions and per hop count, then what the rollouts add up to. */
export function formatSummary(summary: RunSummary): string {
  const table = new Table({
    head: ['stage', 'steps', 'questions', 'n', 'exact match', 'greedy', 'F1', 'tool success', 'format'],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'right', 'left', 'right', 'right', 'right', 'right', 'right', 'right'],
  });
  for (const stage of summary.stages) for (const row of stageRows(stage)) table.push(row);
  const { rollouts } = summary;
  return [
    `${summary.recipe}, seed ${summary.seed}, ${formatDuration(summary.wallSeconds * 1000)}; shares in %, before -> after`,
    ...(summary.policy === 'scripted' ? ['policy: scripted; no model played, so none of this is a result'] : []),
    ...(summary.scriptedJudges.length > 0
      ? [`judges that know the answers: ${summary.scriptedJudges.join(', ')}; nothing here is about a model as judge`]
      : []),
    table.toString(),
    ...baselineLines(summary),
    ...summary.stages.flatMap(gateLine),
    ...summary.stages.flatMap(hackingLines),
    `rollouts: ${rollouts.published} published, ${rollouts.completed} completed, ${rollouts.lost} lost, ` +
      `${rollouts.duplicated} counted twice, ${rollouts.failedInfra} failed by infrastructure, ${rollouts.failedData} by the policy, ${rollouts.cancelled} cancelled`,
  ].join('\n');
}

function stageRows(stage: Stage): string[][] {
  const before = stage.evalDetail?.['before'];
  const after = stage.evalDetail?.['after'];
  const rows = [
    [
      stage.name,
      `${stage.steps}`,
      'all',
      `${stage.eval.after?.n ?? stage.eval.before?.n ?? ''}`,
      arrow(stage.eval.before, stage.eval.after, 'em'),
      arrow(before?.greedy, after?.greedy, 'em'),
      arrow(stage.eval.before, stage.eval.after, 'f1'),
      arrow(stage.eval.before, stage.eval.after, 'toolSuccess'),
      arrow(stage.eval.before, stage.eval.after, 'formatOk'),
    ],
  ];
  for (const hops of hopCounts(before, after)) {
    const from = hopScores(before, hops);
    const to = hopScores(after, hops);
    rows.push([
      '',
      '',
      `${hops} hops`,
      `${to.sampled?.n ?? from.sampled?.n ?? to.greedy?.n ?? from.greedy?.n ?? ''}`,
      arrow(from.sampled, to.sampled, 'em'),
      arrow(from.greedy, to.greedy, 'em'),
      arrow(from.sampled, to.sampled, 'f1'),
      arrow(from.sampled, to.sampled, 'toolSuccess'),
      arrow(from.sampled, to.sampled, 'formatOk'),
    ]);
  }
  return rows;
}

function hopCounts(...details: readonly (EvalDetail | undefined)[]): string[] {
  const found = details
    .flatMap((detail) => [detail?.sampled, detail?.greedy])
    .flatMap((mode) => Object.keys(mode?.byHop ?? {}));
  return [...new Set(found)].toSorted((a, b) => Number(a) - Number(b));
}

function hopScores(
  detail: EvalDetail | undefined,
  hops: string,
): { sampled: Scores | undefined; greedy: Scores | undefined } {
  return { sampled: detail?.sampled?.byHop[hops], greedy: detail?.greedy?.byHop[hops] };
}

/** `29.0 -> 51.5`; one number where only one evaluation exists. */
function arrow(before: Scores | null | undefined, after: Scores | null | undefined, key: keyof Scores): string {
  const share = (scores: Scores): string => (scores[key] * 100).toFixed(1);
  if (before === null || before === undefined) return after === null || after === undefined ? '' : share(after);
  return after === null || after === undefined ? `${share(before)} ->` : `${share(before)} -> ${share(after)}`;
}

/** The first policy against the last one, both at the last stage's limits: the gain of the whole climb. */
function baselineLines({ baseline, stages }: RunSummary): string[] {
  const last = stages.at(-1);
  const final = last?.evalDetail?.['after'];
  if (baseline === null || baseline === undefined || final === undefined) return [];
  const line = (mode: 'sampled' | 'greedy'): string[] => {
    const from = baseline.detail[mode];
    const to = final[mode];
    if (from === undefined || to === undefined) return [];
    const points = (to.em - from.em) * 100;
    const interval = (scores: { emLow: number; emHigh: number }): string =>
      `${(scores.emLow * 100).toFixed(0)}..${(scores.emHigh * 100).toFixed(0)}`;
    return [
      `${mode} exact match at the limits of ${last?.name ?? ''}: ${(from.em * 100).toFixed(1)} (${interval(from)}) -> ` +
        `${(to.em * 100).toFixed(1)} (${interval(to)}), ${points < 0 ? '' : '+'}${points.toFixed(1)} points over ${to.n} questions`,
    ];
  };
  return [...line('sampled'), ...line('greedy')];
}

function gateLine(stage: Stage): string[] {
  if (stage.gate === null || stage.gate === undefined) return [];
  return [
    `gate of ${stage.name}: ${stage.gate.passed ? 'passed' : `failed, ${stage.gate.action}`} (${stage.gate.reason})`,
  ];
}

function hackingLines({ name, detectors, warnings }: Stage): string[] {
  const fired = firedOften(detectors);
  return [
    ...(fired.length === 0 ? [] : [`detectors in ${name}: ${fired.join(', ')} of rollouts`]),
    ...warnings.map((warning) => `warning in ${name}: ${warning}`),
  ];
}
