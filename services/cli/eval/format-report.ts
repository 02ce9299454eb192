import { tableLines, plural } from '../terminal/format.ts';
import { pairedText } from '../terminal/paired-text.ts';

interface ReportedStage {
  readonly stage: string;
  readonly rollouts: { readonly asked: number; readonly n: number; readonly absent: number };
  readonly absences: Readonly<Record<string, number>>;
  readonly absent: readonly { readonly component: string | null; readonly reason: string }[];
  readonly paired?: Parameters<typeof pairedText>[0] | undefined;
  readonly metrics: Readonly<
    Record<
      string,
      {
        readonly value: number;
        readonly low: number;
        readonly high: number;
        readonly interval: string;
        readonly rows: number;
      }
    >
  >;
}

/** A summary.json for people. */
export function formatReport(
  { stage, rollouts, absences, absent, metrics, paired }: ReportedStage,
  to: string,
): string[] {
  const rows = Object.entries(metrics).map(([name, { value, low, high, interval, rows: n }]) => [
    name,
    value.toFixed(3),
    `${low.toFixed(3)}..${high.toFixed(3)}`,
    interval,
    `${n}`,
  ]);
  const unscored = Map.groupBy(
    absent.filter(({ component }) => component !== null),
    ({ component, reason }) => `${component} (${reason})`,
  );
  return [
    `${stage}: ${rollouts.n} of ${rollouts.asked} rollouts came back, ${rollouts.absent} absent${why(absences)}`,
    ...[...unscored].map(([what, { length }]) => `${plural(length, 'answer')} without ${what}`),
    ...(unscored.size > 0 ? ['--rejudge has answers without a grade judged again, without playing again'] : []),
    ...tableLines(rows, {
      head: ['metric', 'value', '95 % interval', 'kind', 'rows'],
      compact: true,
      align: ['left', 'right', 'left', 'left', 'right'],
    }),
    ...(paired === undefined ? [] : [`${stage} ${pairedText(paired)}`]),
    `predictions.jsonl and summary.json in ${to}`,
  ];
}

/** P9: scorers that judged none of the answers, a sentence each: what was measured is not what was asked for. */
export function judgedNone({
  stage,
  rollouts,
  absent,
}: Pick<ReportedStage, 'stage' | 'rollouts' | 'absent'>): string[] {
  const components = Map.groupBy(absent, ({ component }) => component);
  return [...components].flatMap(([component, { length }]) =>
    component === null || length < rollouts.n
      ? []
      : [`${stage}: ${component} judged none of the ${plural(rollouts.n, 'answer')}; summary.json has the reasons`],
  );
}

function why(absences: Readonly<Record<string, number>>): string {
  const reasons = Object.entries(absences).map(([reason, count]) => `${count} ${reason}`);
  return reasons.length > 0 ? ` (${reasons.join(', ')})` : '';
}
