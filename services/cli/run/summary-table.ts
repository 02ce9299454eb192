import { inOrder, rewardMetric } from '#rewards/metric-names.ts';
import { firedOften } from './progress.ts';
import { formatDuration, tableLines } from '../terminal/format.ts';
import type { EvalDetail, ModeScores, RunSummary, Scores } from '#run/directory/run-summary.ts';

type Stage = RunSummary['stages'][number];

/** Scorers with a column of their own, next to the primary metric. */
const mostColumns = 3;

/** Before and after each stage, over all held-out rows and per value of a tag, then what the rollouts add up to. */
export function formatSummary(summary: RunSummary): string[] {
  const { primaryMetric } = summary;
  const others = otherMetrics(summary);
  const columns = others.slice(0, mostColumns);
  const rows = summary.stages.flatMap((stage) => stageRows(stage, primaryMetric, columns));
  const table = tableLines(rows, {
    head: ['stage', 'steps', 'rows', 'n', primaryMetric, 'greedy', ...columns],
    compact: true,
    align: ['left', 'right', 'left', ...Array<'right'>(3 + columns.length).fill('right')],
  });
  const { rollouts } = summary;
  return [
    `${summary.recipe}, seed ${summary.seed}, ${formatDuration(summary.wallSeconds * 1000)}; shares in %, before -> after`,
    ...(summary.policy === 'scripted' ? ['policy: scripted; no model played, so none of this is a result'] : []),
    ...(summary.scriptedJudges.length > 0
      ? [`judges that know the answers: ${summary.scriptedJudges.join(', ')}; nothing here is about a model as judge`]
      : []),
    ...table,
    ...(others.length > mostColumns ? [`summary.json also has: ${others.slice(mostColumns).join(', ')}`] : []),
    ...baselineLines(summary),
    ...summary.stages.flatMap(overSamplesLine),
    ...summary.stages.flatMap(environmentLine),
    ...summary.stages.flatMap(gateLine),
    ...summary.stages.flatMap(hackingLines),
    ...summary.damagedFiles.map((file) => `damaged: ${file}; the learner went on from what is whole: look at the disk`),
    `rollouts: ${rollouts.published} published, ${rollouts.completed} completed, ${rollouts.lost} lost, ` +
      `${rollouts.duplicated} counted twice, ${rollouts.failedInfra} failed by infrastructure, ${rollouts.failedUserCode} by code or settings of the user, ${rollouts.failedData} by the policy, ${rollouts.cancelled} cancelled`,
  ];
}

/** What the evaluations have next to the primary metric; the reward last, since its weights differ between stages. */
function otherMetrics({ stages, primaryMetric }: RunSummary): string[] {
  const all = stages.flatMap(({ eval: { before, after } }) => [
    ...Object.keys(before?.metrics ?? {}),
    ...Object.keys(after?.metrics ?? {}),
  ]);
  const names = [...new Set(all)].filter((name) => name !== primaryMetric && name !== rewardMetric);
  return all.includes(rewardMetric) && primaryMetric !== rewardMetric ? [...names, rewardMetric] : names;
}

function stageRows(stage: Stage, primary: string, columns: readonly string[]): string[][] {
  const { before, after } = stage.evalDetail;
  const rows = [
    [
      stage.name,
      `${stage.steps}`,
      'all',
      `${stage.eval.after?.n ?? stage.eval.before?.n ?? ''}`,
      arrow(stage.eval.before, stage.eval.after, primary),
      arrow(before?.greedy, after?.greedy, primary),
      ...columns.map((name) => arrow(stage.eval.before, stage.eval.after, name)),
    ],
  ];
  for (const tag of tagsOf(before, after)) {
    const from = scoresOf(before, tag);
    const to = scoresOf(after, tag);
    rows.push([
      '',
      '',
      tag,
      `${to.sampled?.n ?? from.sampled?.n ?? to.greedy?.n ?? from.greedy?.n ?? ''}`,
      arrow(from.sampled, to.sampled, primary),
      arrow(from.greedy, to.greedy, primary),
      ...columns.map((name) => arrow(from.sampled, to.sampled, name)),
    ]);
  }
  return rows;
}

function tagsOf(...details: readonly (EvalDetail | undefined)[]): string[] {
  const found = details
    .flatMap((detail) => [detail?.sampled, detail?.greedy])
    .flatMap((mode) => Object.keys(mode?.byTag ?? {}));
  return [...new Set(found)].toSorted(inOrder);
}

function scoresOf(
  detail: EvalDetail | undefined,
  tag: string,
): { sampled: Scores | undefined; greedy: Scores | undefined } {
  return { sampled: detail?.sampled?.byTag[tag], greedy: detail?.greedy?.byTag[tag] };
}

/** Components are shares, shown in %; a reward is what its weights make it. */
function shown(name: string, value: number): string {
  return name === rewardMetric ? value.toFixed(3) : (value * 100).toFixed(1);
}

/** `29.0 -> 51.5`; one number where only one evaluation has it. */
function arrow(before: Scores | null | undefined, after: Scores | null | undefined, name: string): string {
  const from = before?.metrics[name];
  const to = after?.metrics[name];
  if (from === undefined) return to === undefined ? '' : shown(name, to);
  return to === undefined ? `${shown(name, from)} ->` : `${shown(name, from)} -> ${shown(name, to)}`;
}

/** The first policy against the last one, both at the last stage's limits: the gain of the whole climb. */
function baselineLines({ baseline, stages, primaryMetric: name }: RunSummary): string[] {
  const last = stages.at(-1);
  const final = last?.evalDetail['after'];
  if (baseline === null || final === undefined) return [];
  const withInterval = ({ interval }: ModeScores, value: number): string =>
    interval === null
      ? shown(name, value)
      : `${shown(name, value)} (${shown(name, interval.low)}..${shown(name, interval.high)})`;
  const line = (mode: 'sampled' | 'greedy'): string[] => {
    const [before, after] = [baseline.detail[mode], final[mode]];
    const [from, to] = [before?.metrics[name], after?.metrics[name]];
    if (before === undefined || after === undefined || from === undefined || to === undefined) return [];
    const gain = `${to < from ? '' : '+'}${shown(name, to - from)}${name === rewardMetric ? '' : ' points'}`;
    return [
      `${mode} ${name} at the limits of ${last?.name ?? ''}: ${withInterval(before, from)} -> ` +
        `${withInterval(after, to)}, ${gain} over ${after.n} rows`,
    ];
  };
  return [...line('sampled'), ...line('greedy')];
}

/** What is made of several samples of a row, with 95 % intervals: `avg@4`, `pass@4`. */
function overSamplesLine({ name, evalDetail: { after } }: Stage): string[] {
  const percent = (share: number): string => (share * 100).toFixed(1);
  const found = Object.entries((after?.sampled ?? after?.greedy)?.overSamples ?? {});
  const parts = found.map(
    ([metric, { value, low, high }]) => `${metric} ${percent(value)} (${percent(low)}..${percent(high)})`,
  );
  return parts.length === 0 ? [] : [`of the samples of a row in ${name}: ${parts.join(', ')}`];
}

/** What the environment reports, before and after; nothing is scored by it. */
function environmentLine({ name, evalDetail: { before, after } }: Stage): string[] {
  const [from, to] = [before, after].map((detail) => (detail?.sampled ?? detail?.greedy)?.environment ?? {});
  const names = new Set([...Object.keys(from ?? {}), ...Object.keys(to ?? {})]);
  const shownAs = (value: number | undefined): string => (value === undefined ? '' : `${Number(value.toFixed(4))}`);
  const parts = [...names].map((metric) =>
    `${metric} ${shownAs(from?.[metric])} -> ${shownAs(to?.[metric])}`.trimEnd(),
  );
  return parts.length === 0 ? [] : [`environment in ${name}: ${parts.join(', ')}`];
}

function gateLine(stage: Stage): string[] {
  if (stage.gate === null) return [];
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
