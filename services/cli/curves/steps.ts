import type { TopLevelSpec } from 'vega-lite';
import type { StageSummary } from '#run/directory/run-summary.ts';
import { blue, heading, look, shareAxis, shareScale, stepAxis } from './look.ts';

/** A line of metrics.jsonl for a committed step. */
export type StepMetrics = Readonly<Record<string, unknown>>;

/** Below this a moving mean flattens what happened. */
const fewestSmoothed = 15;
const smoothedSteps = 5;

/** By metric: what its panel says. Those of what a stage scores stand between the reward and the others. */
const others = {
  entropy: 'entropy in nats',
  loss: 'loss',
  mismatch_kl: 'KL, engine / learner',
  'train/reference_kl': 'KL to the reference',
  'completion_length/mean': 'tokens of the policy',
  'off_policy/mean': 'staleness in versions',
};

/**
 * What each committed step of a stage measured, a panel for each metric: thin what each step has, and bold a moving mean where there are
 * steps enough for one. Undefined where no step was committed.
 */
export function stepsSpec(
  stage: Pick<StageSummary, 'name' | 'components'>,
  steps: readonly StepMetrics[],
): TopLevelSpec | undefined {
  if (steps.length === 0) return undefined;
  const isSmoothed = steps.length >= fewestSmoothed;
  const shares = Object.keys(stage.components).map((name) => ({
    metric: `reward/${name}`,
    title: name,
    isShare: true,
  }));
  const panels = [
    { metric: 'reward/mean', title: 'reward', isShare: false },
    ...shares,
    ...Object.entries(others).map(([metric, title]) => ({ metric, title, isShare: false })),
  ].flatMap((panel) => {
    const values = steps.flatMap((step, index) => {
      const value = step[panel.metric];
      return typeof value === 'number' ? [{ step: index + 1, value }] : [];
    });
    // Without a reference its divergence is 0 in every step.
    const isIdle = panel.metric === 'train/reference_kl' && values.every(({ value }) => value === 0);
    return values.length === 0 || isIdle ? [] : [{ ...panel, values }];
  });
  const x = {
    field: 'step',
    type: 'quantitative',
    title: 'step',
    axis: stepAxis,
    scale: { nice: false, padding: 6 },
  } as const;
  return {
    ...look,
    title: heading(`${stage.name}: what each step measured`, [
      isSmoothed
        ? `thin: each step; bold: mean of the ${smoothedSteps} steps around it`
        : 'each point is a step; nothing is smoothed',
    ]),
    columns: 3,
    concat: panels.map(({ title, isShare, values }) => ({
      title,
      width: 200,
      height: 100,
      data: { values },
      encoding: {
        x,
        y: {
          field: 'value',
          type: 'quantitative',
          title: null,
          ...(isShare ? { scale: shareScale, axis: shareAxis } : { scale: { zero: false }, axis: { tickCount: 4 } }),
        },
      },
      layer: [
        {
          mark: {
            type: 'line',
            color: blue,
            opacity: isSmoothed ? 0.35 : 1,
            strokeWidth: isSmoothed ? 1 : 2,
            point: { color: blue, size: isSmoothed ? 8 : 22 },
          },
        },
        ...(isSmoothed
          ? [
              {
                transform: [
                  { window: [{ op: 'mean' as const, field: 'value', as: 'mean' }], frame: [-2, 2] as [number, number] },
                ],
                mark: { type: 'line' as const, color: blue, strokeWidth: 2.5 },
                encoding: { y: { field: 'mean' } },
              },
            ]
          : []),
      ],
    })),
  };
}
