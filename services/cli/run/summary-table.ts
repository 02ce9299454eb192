import { inOrder, rewardMetric } from '#rewards/metric-names.ts';
import { learningLines } from './learning-lines.ts';
import { firedOften } from './progress.ts';
import { formatDuration, tableLines } from '../terminal/format.ts';
import { pairedText } from '../terminal/paired-text.ts';
import type { EvalDetail, ModeScores, RunSummary, Scores } from '#run/directory/run-summary.ts';

type Stage = RunSummary['stages'][number];

/** What the policy is most likely to write comes first: sampling adds noise to it, which training removes too. */
const modes = ['greedy', 'sampled'] as const;
type Mode = (typeof modes)[number];

/** Other scorers in the line of a stage; all of them would hide what it is about. */
const mostOthers = 4;

/** Before and after each stage, over all held-out rows and per value of a tag, then what the rollouts add up to. */
export function formatSummary(summary: RunSummary): string[] {
  const { primaryMetric, stages } = summary;
  const others = otherMetrics(summary);
  const drawn = modes.filter((mode) =>
    stages.some(({ evalDetail: { before, after } }) => before?.[mode] !== undefined || after?.[mode] !== undefined),
  );
  // Six columns stay within 80 characters.
  const table = tableLines(
    stages.flatMap((stage) => stageRows(stage, primaryMetric, drawn)),
    {
      head: ['stage', 'steps', 'rows', 'n', ...drawn],
      compact: true,
      align: ['left', 'right', 'left', ...Array<'right'>(1 + drawn.length).fill('right')],
    },
  );
  const { rollouts } = summary;
  return [
    `${summary.recipe}, seed ${summary.seed}, ${formatDuration(summary.wallSeconds * 1000)}`,
    `held out, before -> after: ${primaryMetric}${primaryMetric === rewardMetric ? '' : ' in %'}`,
    ...(summary.policy === 'scripted' ? ['policy: scripted; no model played, so none of this is a result'] : []),
    ...(summary.scriptedJudges.length > 0
      ? [`judges that know the answers: ${summary.scriptedJudges.join(', ')}; nothing here is about a model as judge`]
      : []),
    ...table,
    ...stages.flatMap((stage) => othersLine(stage, others.slice(0, mostOthers))),
    ...(others.length > mostOthers ? [`summary.json also has: ${others.slice(mostOthers).join(', ')}`] : []),
    ...baselineLines(summary),
    ...absentLines(summary),
    ...summary.stages.flatMap(overSamplesLine),
    ...summary.stages.flatMap(pairedLine),
    ...summary.stages.flatMap(environmentLine),
    ...summary.stages.flatMap(gateLine),
    ...learningLines(summary),
    ...summary.stages.flatMap(hackingLines),
    ...bestLines(summary),
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

function stageRows(
  { name, steps, evalDetail: { before, after } }: Stage,
  primary: string,
  drawn: readonly Mode[],
): string[][] {
  const row = (
    label: string,
    scoresOf: (detail: EvalDetail | undefined, mode: Mode) => Scores | undefined,
  ): string[] => {
    const counts = drawn.flatMap((mode) => [scoresOf(after, mode)?.n ?? [], scoresOf(before, mode)?.n ?? []].flat());
    return [
      label,
      `${counts.find((n) => n > 0) ?? '-'}`,
      ...drawn.map((mode) => arrow(scoresOf(before, mode), scoresOf(after, mode), primary)),
    ];
  };
  const all = row('all', (detail, mode) => detail?.[mode]);
  const parts = tagsOf(before, after)
    .map((tag) => row(tag, (detail, mode) => detail?.[mode]?.byTag[tag]))
    // A value that every row has says nothing that `all` does not.
    .filter(([, n]) => n !== all[1]);
  return [[name, `${steps}`, ...all], ...parts.map((part) => ['', '', ...part])];
}

/** What else is scored, sampled where samples were drawn. */
function othersLine({ name, eval: { before, after } }: Stage, others: readonly string[]): string[] {
  const parts = others.flatMap((metric) => {
    const text = arrow(before, after, metric);
    return text === '-' ? [] : [`${metric} ${text}`];
  });
  return parts.length === 0 ? [] : [`${name}: ${parts.join(', ')}`];
}

function tagsOf(...details: readonly (EvalDetail | undefined)[]): string[] {
  const found = details.flatMap((detail) => modes.flatMap((mode) => Object.keys(detail?.[mode]?.byTag ?? {})));
  return [...new Set(found)].toSorted(inOrder);
}

/** Components are shares, shown in %; a reward is what its weights make it. */
function shown(name: string, value: number): string {
  return name === rewardMetric ? value.toFixed(3) : (value * 100).toFixed(1);
}

/** `29.0 -> 51.5`; a dash stands for what no evaluation has, and nothing for an end that is not there yet. */
function arrow(before: Scores | null | undefined, after: Scores | null | undefined, name: string): string {
  const [from, to] = [before, after].map((scores) => (scores?.n === 0 ? undefined : scores?.metrics[name]));
  if (from === undefined) return to === undefined ? '-' : shown(name, to);
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
  const line = (mode: Mode): string[] => {
    const [before, after] = [baseline.detail[mode], final[mode]];
    const [from, to] = [before?.metrics[name], after?.metrics[name]];
    if (before === undefined || after === undefined || from === undefined || to === undefined) return [];
    const gain = `${to < from ? '' : '+'}${shown(name, to - from)}${name === rewardMetric ? '' : ' points'}`;
    return [
      `${mode} ${name} at the limits of ${last?.name ?? ''}: ${withInterval(before, from)} -> ` +
        `${withInterval(after, to)}, ${gain} over ${before.n === after.n ? after.n : `${before.n} and ${after.n}`} rows${after.interval === null ? '' : ' (95 % intervals)'}`,
    ];
  };
  return modes.flatMap(line);
}

/** Rollouts of evaluations that infrastructure failed: they are in no figure, and what is left of the rows is no fair choice. */
function absentLines({ baseline, stages }: RunSummary): string[] {
  const evaluations = [
    ...(baseline === null ? [] : [['the untrained policy at the last limits', baseline.detail] as const]),
    ...stages.flatMap(({ name, evalDetail }) =>
      Object.entries(evalDetail).map(([at, detail]) => [`${name}, ${at}`, detail] as const),
    ),
  ];
  return evaluations.flatMap(([of, detail]) =>
    modes.flatMap((mode) => {
      const { n = 0, absent = 0 } = detail[mode] ?? {};
      if (absent === 0) return [];
      return [
        `absent: ${absent} of ${n + absent} ${mode} rollouts of the evaluation of ${of}; infrastructure failed them, long ones first, so its figures are not those of all rows`,
      ];
    }),
  );
}

/** What is made of several samples of a row, with 95 % intervals: `avg@4`, `pass@4`. */
function overSamplesLine({ name, evalDetail: { after } }: Stage): string[] {
  const percent = (share: number): string => (share * 100).toFixed(1);
  const found = Object.entries((after?.sampled ?? after?.greedy)?.overSamples ?? {});
  const parts = found.map(
    ([metric, { value, low, high }]) => `${metric} ${percent(value)} % (${percent(low)}..${percent(high)})`,
  );
  return parts.length === 0 ? [] : [`of the samples of a row in ${name}, with 95 % intervals: ${parts.join(', ')}`];
}

/** Row by row next to an earlier evaluation: what chance alone would give as uneven. */
function pairedLine({ name, paired }: Stage): string[] {
  return paired === undefined ? [] : [`${name} ${pairedText(paired)}`];
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

/** Versions that were kept for their score. */
function bestLines({ best, primaryMetric }: RunSummary): string[] {
  return best.map(
    ({ version, stage, metric, score, weights }, index) =>
      `best${best.length === 1 ? '' : ` ${index + 1}`}: version ${version}, ${metric} ${shown(primaryMetric, score)} in ${stage}: ${weights}`,
  );
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
