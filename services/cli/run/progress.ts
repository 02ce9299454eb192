import { Phase, type RunStatus } from '#proto/coordinator/v1/coordinator_pb.ts';
import { phaseWord } from '#run/live-status.ts';
import { rewardMetric } from '#rewards/metric-names.ts';
import { formatDuration } from '../terminal/format.ts';
import type { Terminal } from '../terminal/terminal.ts';

export type ProgressStatus = Pick<
  RunStatus,
  | 'stage'
  | 'stageIndex'
  | 'stages'
  | 'phase'
  | 'step'
  | 'steps'
  | 'rolloutsDone'
  | 'rolloutsExpected'
  | 'rewardMean'
  | 'primaryMetric'
  | 'metrics'
  | 'elapsedMs'
  | 'remainingMs'
  | 'message'
  | 'warnings'
  | 'detectors'
> &
  Partial<Pick<RunStatus, 'queuePosition'>>;

/** Rollouts per second over the last few seconds, from the counts that the statuses carry. */
export interface RateMeter {
  observe(status: ProgressStatus, nowMs: number): number | undefined;
}

const windowMs = 10_000;

export function createRateMeter(): RateMeter {
  let samples: { atMs: number; total: number }[] = [];
  let last: ProgressStatus | undefined;
  let total = 0;
  return {
    observe(status, nowMs) {
      // The count starts again with every phase; only growth within one is progress.
      const samePhase = last?.stage === status.stage && last.phase === status.phase && last.step === status.step;
      const grown = status.rolloutsDone - (samePhase ? (last?.rolloutsDone ?? 0) : 0);
      total += Math.max(0, grown);
      last = status;
      samples = [...samples.filter(({ atMs }) => nowMs - atMs <= windowMs), { atMs: nowMs, total }].slice(-200);
      const [oldest] = samples;
      if (oldest === undefined || nowMs - oldest.atMs < 1_000) return undefined;
      return ((total - oldest.total) * 1_000) / (nowMs - oldest.atMs);
    },
  };
}

/** One line, cut to `columns`: stage, step with a bar, phase, what it waits for, reward and primary metric, rate, time left. */
export function progressLine(status: ProgressStatus, rate: number | undefined, columns: number): string {
  const queued = queuedText(status);
  if (queued !== undefined) return cut(`queued, ${queued}`, columns);
  const parts = [`${status.stageIndex + 1}/${status.stages} ${status.stage}`];
  if (status.steps > 0) parts.push(`${bar(status.step, status.steps, 12)} ${status.step}/${status.steps}`);
  const expected = status.rolloutsExpected > 0 ? ` ${status.rolloutsDone}/${status.rolloutsExpected}` : '';
  parts.push(`${phaseWord(status.phase)}${expected}`);
  if (status.message !== '') parts.push(status.message);
  parts.push(...scoreTexts(status));
  parts.push(...firedOften(status.detectors));
  if (Object.keys(status.warnings).length > 0) parts.push('reward diverges');
  if (rate !== undefined && rate > 0) parts.push(`${rate.toFixed(rate < 10 ? 1 : 0)} rollouts/s`);
  parts.push(formatDuration(Number(status.elapsedMs)));
  if (status.remainingMs !== undefined) parts.push(`~${formatDuration(Number(status.remainingMs))} left`);
  return cut(parts.join('  '), columns);
}

function cut(line: string, columns: number): string {
  return line.length < columns ? line : `${line.slice(0, Math.max(0, columns - 2))}…`;
}

/** `reward 0.457`, and of an environment that is led by a component `exact_match 0.310` next to it; of the last step. */
export function scoreTexts({ rewardMean, primaryMetric, metrics }: ProgressStatus): string[] {
  const primary = metrics[`reward/${primaryMetric}`];
  return [
    ...(rewardMean === undefined ? [] : [`reward ${rewardMean.toFixed(3)}`]),
    ...(primaryMetric === rewardMetric || primary === undefined ? [] : [`${primaryMetric} ${primary.toFixed(3)}`]),
  ];
}

/** What a step was like, beyond its reward; what it has no metric of is left out. */
function stepTexts(metrics: ProgressStatus['metrics']): string[] {
  const text = (name: string, show: (value: number) => string): string[] => {
    const value = metrics[name];
    return value === undefined ? [] : [show(value)];
  };
  const opened = metrics['groups/opened'];
  return [
    ...text('loss', (loss) => `loss ${loss.toFixed(4)}`),
    ...text('entropy', (nats) => `entropy ${nats.toFixed(3)}`),
    ...text('sequence_length/mean', (tokens) => `${tokens.toFixed(0)} tokens`),
    ...text('turns/mean', (turns) => `${turns.toFixed(1)} turns`),
    ...text('groups/kept', (kept) => (opened === undefined ? '' : `${kept} of ${opened} groups kept`)).filter(Boolean),
    ...text('time/step', (seconds) => formatDuration(seconds * 1_000)),
  ];
}

/** The held-out result that the status before did not have: its primary metric with its 95 % interval, for each way of drawing. */
export function evaluationLine(before: ProgressStatus | undefined, status: ProgressStatus): string | undefined {
  const { primaryMetric: name, metrics } = status;
  const drawn = ['sampled', 'greedy'].flatMap((mode) => {
    const key = `eval/${mode}.${name}`;
    const value = metrics[key];
    if (value === undefined) return [];
    const [low, high] = [metrics[`${key}.low`], metrics[`${key}.high`]];
    const interval = low === undefined || high === undefined ? '' : ` (${low.toFixed(3)}..${high.toFixed(3)})`;
    return [`${mode} ${value.toFixed(3)}${interval}`];
  });
  const isNew = Object.entries(metrics).some(
    ([key, value]) => key.startsWith('eval/') && before?.metrics[key] !== value,
  );
  return drawn.length === 0 || !isNew ? undefined : `${placeOf(status)}: held out, ${name} ${drawn.join(', ')}`;
}

export function bar(done: number, of: number, width: number): string {
  const filled = of <= 0 ? 0 : Math.min(width, Math.round((done / of) * width));
  return `[${'='.repeat(filled)}${' '.repeat(width - filled)}]`;
}

/** A line for each warning that the status before did not have. Its numbers may change from step to step: once is enough. */
export function warningLines(before: ProgressStatus | undefined, status: ProgressStatus): string[] {
  return Object.entries(status.warnings).flatMap(([about, text]) =>
    before?.warnings[about] === undefined ? [`${placeOf(status)}: warning: ${text}`] : [],
  );
}

function placeOf(status: ProgressStatus): string {
  return `[${formatDuration(Number(status.elapsedMs))}] ${status.stageIndex + 1}/${status.stages} ${status.stage}`;
}

/** `place 2: behind run first in the queue`; undefined where it waits in none. */
export function queuedText({ queuePosition = 0, message }: ProgressStatus): string | undefined {
  return queuePosition === 0 ? undefined : `place ${queuePosition}: ${message}`;
}

/**
 * For logs and pipes: a line when a step was committed, a stage or a phase of evaluation began, or when it begins to wait for
 * something unusual; undefined when there is nothing new to say.
 */
export function plainLine(before: ProgressStatus | undefined, status: ProgressStatus): string | undefined {
  const queued = queuedText(status);
  if (queued !== undefined)
    return before !== undefined && queuedText(before) === queued ? undefined : `queued, ${queued}`;
  const place = placeOf(status);
  if (before?.stage !== status.stage || queuedText(before) !== undefined) return `${place}: ${phaseWord(status.phase)}`;
  if (before.step !== status.step) {
    const scores = [...scoreTexts(status), ...stepTexts(status.metrics)].map((text) => `, ${text}`);
    const left = status.remainingMs === undefined ? '' : `, about ${formatDuration(Number(status.remainingMs))} left`;
    const fired = firedOften(status.detectors).map((text) => `, ${text}`);
    return `${place}: step ${status.step}/${status.steps}${scores.join('')}${fired.join('')}${left}`;
  }
  if (before.phase !== status.phase && status.phase === Phase.EVALUATE) return `${place}: evaluating`;
  // Its seconds count on: once is enough.
  if (before.message === '' && status.message !== '') return `${place}: ${status.message}`;
  return undefined;
}

const least = 0.01;

/** `candidate_list 12.5 %`: detectors of reward hacking that fired in more than 1 % of rollouts, the most frequent first. */
export function firedOften(shares: Readonly<Record<string, number>>): string[] {
  return Object.entries(shares)
    .filter(([, share]) => share > least)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, share]) => `${name} ${(share * 100).toFixed(1)} %`);
}

/** Shows each status: a line per event, and on a terminal a live line below them. */
export function createProgress(
  terminal: Terminal,
  now: () => number = () => performance.now(),
): (status: ProgressStatus) => void {
  const meter = createRateMeter();
  let before: ProgressStatus | undefined;
  return (status) => {
    const rate = meter.observe(status, now());
    const lines = [plainLine(before, status), evaluationLine(before, status), ...warningLines(before, status)];
    for (const line of lines) if (line !== undefined) terminal.err(line);
    before = status;
    if (terminal.interactive) terminal.status(progressLine(status, rate, terminal.columns));
  };
}
