import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { View, parse } from 'vega';
import { compile } from 'vega-lite';
import type { TopLevelSpec } from 'vega-lite';
import { rewardMetric } from '#rewards/metric-names.ts';
import type { EvalDetail, RunSummary } from '#run/directory/run-summary.ts';

const ink = '#1f2933';
const blue = '#2563eb';
const orange = '#d97706';

const look = {
  config: {
    font: 'system-ui, sans-serif',
    background: 'white',
    axis: { labelColor: ink, titleColor: ink, gridColor: '#e5e7eb', domainColor: '#9ca3af', tickColor: '#9ca3af' },
    title: { color: ink, anchor: 'start' as const, fontSize: 14 },
    view: { stroke: null },
  },
};

const schema = 'https://vega.github.io/schema/vega-lite/v6.json';
const modeColor = {
  field: 'mode',
  type: 'nominal',
  title: null,
  scale: { domain: ['sampled', 'greedy'], range: [blue, orange] },
} as const;

/** Mean reward of each committed step, with a moving mean over five steps. */
function rewardCurveSpec(stage: { name: string; reward: readonly number[] }): TopLevelSpec {
  const values = stage.reward.map((reward, index) => ({ step: index + 1, reward }));
  return {
    $schema: schema,
    ...look,
    title: `${stage.name}: mean reward per step`,
    width: 520,
    height: 240,
    data: { values },
    encoding: { x: { field: 'step', type: 'quantitative', title: 'step', axis: { tickMinStep: 1 } } },
    layer: [
      {
        mark: { type: 'line', color: blue, opacity: 0.35, point: { color: blue, opacity: 0.6, size: 24 } },
        encoding: { y: { field: 'reward', type: 'quantitative', title: 'reward', scale: { zero: false } } },
      },
      {
        transform: [{ window: [{ op: 'mean', field: 'reward', as: 'smooth' }], frame: [-2, 2] }],
        mark: { type: 'line', color: blue, strokeWidth: 2.5 },
        encoding: { y: { field: 'smooth', type: 'quantitative' } },
      },
    ],
  };
}

/**
 * Means of the primary metric and of what the stage names, per step. Where samples are compared with each other the mean reward is
 * 1/2 whatever the policy does; these move.
 */
function componentsSpec(stage: Pick<RunSummary['stages'][number], 'name' | 'components'>): TopLevelSpec {
  const values = Object.entries(stage.components).flatMap(([component, means]) =>
    means.flatMap((mean, index) => (mean === null ? [] : [{ step: index + 1, component, mean }])),
  );
  return {
    $schema: schema,
    ...look,
    title: `${stage.name}: components per step`,
    width: 520,
    height: 240,
    data: { values },
    mark: { type: 'line', point: { size: 24 }, strokeWidth: 2 },
    encoding: {
      x: { field: 'step', type: 'quantitative', title: 'step', axis: { tickMinStep: 1 } },
      y: { field: 'mean', type: 'quantitative', title: 'mean', scale: { zero: false } },
      color: { field: 'component', type: 'nominal', title: null, sort: Object.keys(stage.components) },
    },
  };
}

/** One evaluation within a stage. */
export interface StagePoint {
  /** Of the stage; 0 is before the first. */
  readonly step: number;
  readonly mode: 'sampled' | 'greedy';
  readonly value: number;
  /** 95 % interval; the value itself where there is none. */
  readonly low: number;
  readonly high: number;
}

/** The primary metric on held-out rows over the steps of a stage, with its 95 % intervals. */
function stageHeldOutSpec(name: string, metric: string, points: readonly StagePoint[]): TopLevelSpec {
  const x = { field: 'step', type: 'quantitative', title: 'step', axis: { tickMinStep: 1 } } as const;
  const { axis, scale } = scaleOf(metric);
  return {
    $schema: schema,
    ...look,
    title: `${name}: ${metric} on held-out rows`,
    width: 520,
    height: 240,
    data: { values: points.map((point) => ({ ...point })) },
    encoding: { x, color: modeColor },
    layer: [
      {
        mark: { type: 'area', opacity: 0.15 },
        encoding: {
          y: { field: 'low', type: 'quantitative', title: metric, axis, scale },
          y2: { field: 'high' },
        },
      },
      {
        mark: { type: 'line', point: true, strokeWidth: 2.5 },
        encoding: { y: { field: 'value', type: 'quantitative' } },
      },
    ],
  };
}

/** A component is a share; a reward has the range that its weights give it. */
function scaleOf(metric: string) {
  return metric === rewardMetric
    ? { axis: { format: '.2f' }, scale: { zero: false } }
    : { axis: { format: '.0%' }, scale: { domainMin: 0 } };
}

/** Every evaluation of a stage by its step, in order; fewer than three say no more than the picture over the stages. */
export function stagePoints(
  stage: Pick<RunSummary['stages'][number], 'steps' | 'evalDetail'>,
  metric: string,
): StagePoint[] {
  const stepOf = (name: string): number =>
    name === 'before' ? 0 : name === 'after' ? stage.steps : Number(/^step-(\d+)$/.exec(name)?.[1] ?? NaN);
  const evaluations = Object.entries(stage.evalDetail)
    .map(([name, detail]) => ({ step: stepOf(name), detail }))
    .toSorted((a, b) => a.step - b.step);
  if (evaluations.length < 3) return [];
  return evaluations.flatMap(({ step, detail }) =>
    (['sampled', 'greedy'] as const).flatMap((mode) => {
      const scores = detail[mode];
      const value = scores?.metrics[metric];
      if (value === undefined || Number.isNaN(step)) return [];
      return [{ step, mode, value, low: scores?.interval?.low ?? value, high: scores?.interval?.high ?? value }];
    }),
  );
}

export interface HeldOutPoint {
  readonly label: string;
  readonly mode: 'sampled' | 'greedy';
  readonly value: number;
}

/** The primary metric on held-out rows at the borders of the stages. */
function heldOutSpec(metric: string, points: readonly HeldOutPoint[]): TopLevelSpec {
  const { axis, scale } = scaleOf(metric);
  const labels = [...new Set(points.map(({ label }) => label))];
  return {
    $schema: schema,
    ...look,
    title: `${metric} on held-out rows`,
    width: 520,
    height: 240,
    data: { values: points.map((point) => ({ ...point })) },
    mark: { type: 'line', point: true, strokeWidth: 2.5 },
    encoding: {
      x: { field: 'label', type: 'ordinal', sort: labels, title: null, axis: { labelAngle: 0 } },
      y: { field: 'value', type: 'quantitative', title: metric, axis, scale },
      color: modeColor,
    },
  };
}

/** The untrained policy and the policy after each stage, each at that stage's limits. */
export function heldOutPoints(summary: RunSummary): HeldOutPoint[] {
  const pointsOf = (label: string, detail: EvalDetail | undefined): HeldOutPoint[] =>
    (['sampled', 'greedy'] as const).flatMap((mode) => {
      const value = detail?.[mode]?.metrics[summary.primaryMetric];
      return value === undefined ? [] : [{ label, mode, value }];
    });
  return [
    ...pointsOf('start', summary.stages[0]?.evalDetail['before']),
    ...summary.stages.flatMap((stage) => pointsOf(stage.name, stage.evalDetail['after'])),
  ];
}

/** Writes <directory>/curves/*.svg and gives their paths. */
export async function writeCurves(summary: RunSummary, runDirectory: string): Promise<string[]> {
  const directory = join(runDirectory, 'curves');
  await mkdir(directory, { recursive: true });
  const written: string[] = [];
  const draw = async (name: string, spec: TopLevelSpec): Promise<void> => {
    const path = join(directory, `${name}.svg`);
    await writeFile(path, `${await renderSvg(spec)}\n`);
    written.push(path);
  };
  for (const [index, stage] of summary.stages.entries()) {
    const label = `${index + 1}-${stage.name}`;
    if (stage.reward.length > 0) await draw(`${label}-reward`, rewardCurveSpec(stage));
    if (Object.values(stage.components).some((means) => means.length > 0)) {
      await draw(`${label}-components`, componentsSpec(stage));
    }
    const within = stagePoints(stage, summary.primaryMetric);
    if (within.length > 0) await draw(`${label}-held-out`, stageHeldOutSpec(stage.name, summary.primaryMetric, within));
  }
  const points = heldOutPoints(summary);
  if (points.length > 0) await draw('held-out', heldOutSpec(summary.primaryMetric, points));
  return written;
}

async function renderSvg(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
