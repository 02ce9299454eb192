import { expect, test } from 'vitest';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { createEnvironmentSeries, environmentMeansIn } from './environment-series.ts';

async function seriesAfter(...reports: readonly (readonly ['train' | 'eval', Record<string, number>])[]) {
  const metrics = createMetrics();
  const report = createEnvironmentSeries(metrics);
  for (const [purpose, means] of reports) report(purpose, means);
  const lines = (await metrics.render()).split('\n');
  return lines.filter((line) => line.startsWith('gradus_environment_'));
}

test('what the environment reports has a series per purpose and name, of the newest step or evaluation', async () => {
  expect(
    await seriesAfter(['train', { moves: 3, wins: 1 }], ['eval', { moves: 5 }], ['train', { moves: -4.5 }]),
  ).toEqual([
    'gradus_environment_metric_mean{purpose="train",metric="moves"} -4.5',
    'gradus_environment_metric_mean{purpose="eval",metric="moves"} 5',
    'gradus_environment_metrics_left_out_total 0',
  ]);
});

test('P6, P9: names that never end get no more than 32 series, and the others are counted', async () => {
  const reports = Array.from({ length: 50 }, (_, step) => ['train', { moves: step, [`row_${step}`]: 1 }] as const);
  const lines = await seriesAfter(...reports, ['eval', { row_49: 1, moves: 2 }]);
  // 31 names of rows and moves are known; those of 19 steps and of the evaluation are not.
  expect(lines).toEqual([
    'gradus_environment_metric_mean{purpose="train",metric="moves"} 49',
    'gradus_environment_metric_mean{purpose="eval",metric="moves"} 2',
    'gradus_environment_metrics_left_out_total 20',
  ]);
});

test.each([
  [{ 'environment/moves': 3, 'reward/mean': 1 }, { moves: 3 }],
  [
    { 'sampled.environment.moves': 3, 'greedy.environment.moves': 4, 'sampled.hops=2.environment.moves': 5 },
    { moves: 3 },
  ],
  [{ 'greedy.environment.moves': 4, 'greedy.n': 2 }, { moves: 4 }],
  [{ 'reward/mean': 1, environment_metrics_left_out: 3 }, {}],
])('%j has %j of its environment', (metrics: Record<string, number>, means) => {
  expect(environmentMeansIn(metrics)).toEqual(means);
});
