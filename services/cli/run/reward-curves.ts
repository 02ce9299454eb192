import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { View, parse } from 'vega';
import { compile } from 'vega-lite';
import type { TopLevelSpec } from 'vega-lite';
import type { EvalDetail, RunSummary } from './run-summary.ts';

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
 * Means of exact match and of what the stage names, per step. Where samples are compared with each other the mean reward is
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
  readonly em: number;
  readonly emLow: number;
  readonly emHigh: number;
}

/** Held-out exact match over the steps of a stage, with its 95 % intervals. */
function stageHeldOutSpec(name: string, points: readonly StagePoint[]): TopLevelSpec {
  const x = { field: 'step', type: 'quantitative', title: 'step', axis: { tickMinStep: 1 } } as const;
  const axis = { format: '.0%' };
  return {
    $schema: schema,
    ...look,
    title: `${name}: exact match on held-out questions`,
    width: 520,
    height: 240,
    data: { values: points.map((point) => ({ ...point })) },
    encoding: { x, color: modeColor },
    layer: [
      {
        mark: { type: 'area', opacity: 0.15 },
        encoding: {
          y: { field: 'emLow', type: 'quantitative', title: 'exact match', axis, scale: { domainMin: 0 } },
          y2: { field: 'emHigh' },
        },
      },
      {
        mark: { type: 'line', point: true, strokeWidth: 2.5 },
        encoding: { y: { field: 'em', type: 'quantitative' } },
      },
    ],
  };
}

/** Every evaluation of a stage by its step, in order; fewer than three say no more than the picture over the stages. */
export function stagePoints(stage: Pick<RunSummary['stages'][number], 'steps' | 'evalDetail'>): StagePoint[] {
  const stepOf = (name: string): number =>
    name === 'before' ? 0 : name === 'after' ? stage.steps : Number(/^step-(\d+)$/.exec(name)?.[1] ?? NaN);
  const evaluations = Object.entries(stage.evalDetail ?? {})
    .map(([name, detail]) => ({ step: stepOf(name), detail }))
    .toSorted((a, b) => a.step - b.step);
  if (evaluations.length < 3) return [];
  return evaluations.flatMap(({ step, detail }) =>
    (['sampled', 'greedy'] as const).flatMap((mode) => {
      const scores = detail[mode];
      if (scores === undefined || Number.isNaN(step)) return [];
      return [{ step, mode, em: scores.em, emLow: scores.emLow, emHigh: scores.emHigh }];
    }),
  );
}

export interface HeldOutPoint {
  readonly label: string;
  readonly mode: 'sampled' | 'greedy';
  readonly em: number;
}

/** Exact match on held-out questions at the borders of the stages. */
function heldOutSpec(points: readonly HeldOutPoint[]): TopLevelSpec {
  const labels = [...new Set(points.map(({ label }) => label))];
  return {
    $schema: schema,
    ...look,
    title: 'Exact match on held-out questions',
    width: 520,
    height: 240,
    data: { values: points.map(({ label, mode, em }) => ({ label, mode, em })) },
    mark: { type: 'line', point: true, strokeWidth: 2.5 },
    encoding: {
      x: { field: 'label', type: 'ordinal', sort: labels, title: null, axis: { labelAngle: 0 } },
      y: { field: 'em', type: 'quantitative', title: 'exact match', axis: { format: '.0%' }, scale: { domainMin: 0 } },
      color: modeColor,
    },
  };
}

/** The untrained policy and the policy after each stage, each at that stage's limits. */
export function heldOutPoints(summary: RunSummary): HeldOutPoint[] {
  const pointsOf = (label: string, detail: EvalDetail | undefined): HeldOutPoint[] =>
    (['sampled', 'greedy'] as const).flatMap((mode) => {
      const scores = detail?.[mode];
      return scores === undefined ? [] : [{ label, mode, em: scores.em }];
    });
  return [
    ...pointsOf('start', summary.stages[0]?.evalDetail?.['before']),
    ...summary.stages.flatMap((stage) => pointsOf(stage.name, stage.evalDetail?.['after'])),
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
    const within = stagePoints(stage);
    if (within.length > 0) await draw(`${label}-held-out`, stageHeldOutSpec(stage.name, within));
  }
  const points = heldOutPoints(summary);
  if (points.length > 0) await draw('held-out-exact-match', heldOutSpec(points));
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
