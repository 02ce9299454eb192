import type { TopLevelSpec } from 'vega-lite';
import { rewardMetric } from '#rewards/metric-names.ts';
import type { EvalDetail, RunSummary, StageSummary } from '#run/directory/run-summary.ts';
import { blue, heading, look, orange, shareAxis, shareScale, stepAxis } from './look.ts';

const modes = ['sampled', 'greedy'] as const;

/** One evaluation of a stage, drawn in one way. */
export interface HeldOutPoint {
  /** Of the stage; 0 is before its first. */
  readonly step: number;
  readonly mode: (typeof modes)[number];
  readonly value: number;
  /** 95 % interval; the value itself where there is none. */
  readonly low: number;
  readonly high: number;
}

/** Every evaluation of a stage by its step, in order. */
export function heldOutPoints(stage: Pick<StageSummary, 'steps' | 'evalDetail'>, metric: string): HeldOutPoint[] {
  const stepOf = (name: string): number =>
    name === 'before' ? 0 : name === 'after' ? stage.steps : Number(/^step-(\d+)$/.exec(name)?.[1] ?? NaN);
  return Object.entries(stage.evalDetail)
    .flatMap(([name, detail]) => pointsOf(detail, stepOf(name), metric))
    .filter(({ step }) => !Number.isNaN(step))
    .toSorted((a, b) => a.step - b.step);
}

function pointsOf(detail: EvalDetail, step: number, metric: string): HeldOutPoint[] {
  return modes.flatMap((mode) => {
    const scores = detail[mode];
    const value = scores?.metrics[metric];
    if (value === undefined) return [];
    return [{ step, mode, value, low: scores?.interval?.low ?? value, high: scores?.interval?.high ?? value }];
  });
}

/**
 * The primary metric on held-out rows, a panel for each stage: each is evaluated at its own limits, so that no line goes from one stage to the
 * next. Undefined where nothing was evaluated.
 */
export function heldOutSpec(summary: RunSummary): TopLevelSpec | undefined {
  const { primaryMetric: metric, stages, baseline } = summary;
  const drawn = stages
    .map((stage) => ({ stage, points: heldOutPoints(stage, metric) }))
    .filter(({ points }) => points.length > 0);
  if (drawn.length === 0) return undefined;
  const all = drawn.flatMap(({ points }) => points);
  // Where a stage came before the last one, the untrained policy at the last one's limits is no point of a line.
  const untrained = baseline === null || stages.length === 1 ? [] : pointsOf(baseline.detail, 0, metric);
  const shown = modes.filter((mode) => all.some((point) => point.mode === mode));
  const range = metric === rewardMetric ? rangeOf([...all, ...untrained]) : shareScale;
  const color = {
    field: 'mode',
    type: 'nominal',
    title: null,
    scale: { domain: [...shown], range: shown.map((mode) => (mode === 'greedy' ? orange : blue)) },
    legend: { orient: 'bottom', symbolType: 'stroke' },
  } as const;
  // The two modes side by side, so that neither interval hides the other.
  const xOffset = { expr: "datum.mode === 'greedy' ? 3 : -3" };
  return {
    ...look,
    title: heading(`${metric} on held-out rows`, [
      `${countText(summary)}, with 95 % intervals`,
      'each stage is evaluated at the limits under its name',
      ...(untrained.length > 0 ? ['dashed: the untrained policy, at the last limits'] : []),
    ]),
    columns: 4,
    concat: drawn.map(({ stage, points }, index) => ({
      title: { text: stage.name, subtitle: limitsText(stage) },
      width: Math.max(150, Math.floor(540 / Math.min(4, drawn.length))),
      height: 220,
      encoding: { color },
      layer: [
        ...(index < drawn.length - 1
          ? []
          : [
              {
                data: { values: [...untrained] },
                mark: { type: 'rule' as const, strokeDash: [4, 4], strokeWidth: 1.5 },
                encoding: { y: { field: 'value', type: 'quantitative' as const } },
              },
            ]),
        {
          data: { values: [...points] },
          encoding: {
            x: {
              field: 'step',
              type: 'quantitative',
              title: 'step',
              axis: stepAxis,
              scale: { padding: 10, nice: false },
            },
            y: {
              field: 'value',
              type: 'quantitative',
              title: null,
              scale: range,
              ...(metric !== rewardMetric && { axis: shareAxis }),
            },
          },
          layer: [
            {
              mark: { type: 'rule', xOffset, opacity: 0.45, strokeWidth: 2 },
              encoding: { y: { field: 'low' }, y2: { field: 'high' } },
            },
            { mark: { type: 'line', xOffset, strokeWidth: 2.5 } },
            { mark: { type: 'point', xOffset, filled: true, size: 45, opacity: 1 } },
          ],
        },
      ],
    })),
  };
}

function limitsText({ contextTokens, maxTurns }: StageSummary): string {
  const turns = maxTurns === 0 ? [] : [`${maxTurns} turns`];
  return contextTokens === 0 ? '' : [`${contextTokens} tokens`, ...turns].join(', ');
}

/** `200 rollouts per point`; `90 to 200` where evaluations differ, since infrastructure failed some. */
function countText({ stages, baseline }: RunSummary): string {
  const details = [
    ...stages.flatMap(({ evalDetail }) => Object.values(evalDetail)),
    ...(baseline ? [baseline.detail] : []),
  ];
  const counts = details.flatMap((detail) => modes.flatMap((mode) => detail[mode]?.n ?? []));
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return `${least === most ? most : `${least} to ${most}`} rollouts per point`;
}

/** A reward has the range that its weights give it: one for all panels, with room. */
function rangeOf(points: readonly HeldOutPoint[]): { domain: [number, number] } {
  const [low, high] = [Math.min(...points.map((point) => point.low)), Math.max(...points.map((point) => point.high))];
  const room = Math.max(0.05, 0.1 * (high - low));
  return { domain: [low - room, high + room] };
}
