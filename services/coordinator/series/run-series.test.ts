import { expect, test } from 'vitest';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { newRunState } from '#run/ledger/run-state.ts';
import type { RunState, StageState } from '#run/ledger/run-state.ts';
import { createRunSeries } from './run-series.ts';

const recipe = {
  name: 'demo',
  seed: 7,
  environment: { name: 'search' },
  fleet: { learner: { kind: 'builtin' } },
  stages: [{ kind: 'rl', name: 'first', max_staleness: 2 }, { name: 'second' }],
} as unknown as Parameters<ReturnType<typeof createRunSeries>['observe']>[1];

const stageAt = (index: number, metrics?: Record<string, number>): StageState => ({
  name: index === 0 ? 'first' : 'second',
  index,
  round: 0,
  progress: undefined,
  entryStep: 0,
  entryVersion: 0,
  steps: metrics === undefined ? [] : [{ step: 1, version: 1, notFinite: [], metrics }],
  training: {} as StageState['training'],
  evaluations: [],
  finished: undefined,
  gate: undefined,
});

const stateOf = (runId: string, stages: readonly StageState[], more: Partial<RunState> = {}): RunState => ({
  ...newRunState(runId),
  stages,
  ...more,
});

function createShown() {
  const metrics = createMetrics();
  const series = createRunSeries(metrics, () => 90_000);
  return {
    series,
    async lines(name = 'gradus_') {
      const text = await metrics.render();
      return text.split('\n').filter((line) => line.startsWith(name) && line.includes('run="'));
    },
  };
}

test('a step has its metrics under the names of Prometheus, with run and stage', async () => {
  const { series, lines } = createShown();
  const step = { 'reward/mean': 0.25, 'off_policy/max': 2, 'completion_length/p90': 40, 'time/learner_wait': 3 };
  series.observe(stateOf('a', [stageAt(0, step)], { step: 1 }), recipe);
  expect(await lines()).toEqual(
    expect.arrayContaining([
      'gradus_run_info{run="a",recipe="demo",environment="search",learner="builtin",seed="7"} 1',
      'gradus_run_step{run="a",stage="first"} 1',
      'gradus_run_progress_timestamp_seconds{run="a",stage="first"} 90',
      'gradus_staleness_bound_versions{run="a",stage="first"} 2',
      'gradus_reward_mean{run="a",stage="first"} 0.25',
      'gradus_staleness_versions{run="a",stage="first",statistic="max"} 2',
      'gradus_completion_length_tokens{run="a",stage="first",statistic="p90"} 40',
      'gradus_step_seconds{run="a",stage="first",phase="learner_wait"} 3',
    ]),
  );
  // What a step does not have is absent, not 0.
  expect(await lines('gradus_train_loss')).toEqual([]);
});

test('what the newest step has no longer is not shown as if it did', async () => {
  const { series, lines } = createShown();
  series.observe(stateOf('a', [stageAt(0, { 'reward/mean': 1, loss: 2 })]), recipe);
  series.observe(stateOf('a', [stageAt(0, { 'reward/mean': 0.5 })]), recipe);
  expect(await lines('gradus_reward_mean')).toEqual(['gradus_reward_mean{run="a",stage="first"} 0.5']);
  expect(await lines('gradus_train_loss')).toEqual([]);
});

test('P6: a run has series of one stage at a time, and none after its end; another run keeps its own', async () => {
  const { series, lines } = createShown();
  const first = stageAt(0, { 'reward/mean': 1 });
  series.observe(stateOf('a', [first]), recipe);
  series.observe(stateOf('b', [first]), recipe);
  series.rolloutsOpen('a', 4);
  series.disk('a', 10, 100);
  series.observe(stateOf('a', [first, stageAt(1)]), recipe);
  const ofA = (await lines()).filter((line) => line.includes('run="a"'));
  expect(ofA.some((line) => line.includes('stage="second"'))).toBe(true);
  expect(ofA.filter((line) => line.includes('stage="first"'))).toEqual([]);
  series.ended('a');
  // A late report of a run that is over brings nothing back.
  series.rolloutsOpen('a', 1);
  expect((await lines()).filter((line) => !line.includes('run="b"'))).toEqual([]);
  expect(await lines('gradus_reward_mean')).toEqual(['gradus_reward_mean{run="b",stage="first"} 1']);
});

test('P6: an evaluation has 32 names at most, and none of single tags', async () => {
  const { series, lines } = createShown();
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`sampled.scorer_${index}`, index]));
  const evaluation = {
    stage: 'first',
    name: 'before',
    version: 0,
    stageStep: 0,
    metrics: { 'sampled.hops=2.x': 1, ...many },
    weights: undefined,
  };
  series.observe(stateOf('a', [{ ...stageAt(0), evaluations: [evaluation] }]), recipe);
  const shown = await lines('gradus_evaluation_metric');
  expect(shown).toHaveLength(32);
  expect(shown[0]).toBe('gradus_evaluation_metric{run="a",stage="first",metric="sampled.scorer_0"} 0');
});
