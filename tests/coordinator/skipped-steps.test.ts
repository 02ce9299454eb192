import { afterEach, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { oneStage } from './two-stage-run.ts';

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  await fleet.stop();
});

const skipped = { grad_norm: 0, updates: 0, updates_skipped: 2 };
const withLimit = (limit: number, steps: number) =>
  oneStage.replace('until: { steps: 3 }', `algorithm: { max_skipped_steps: ${limit} }\n    until: { steps: ${steps} }`);

it('P9: a run whose steps have no finite update in a row ends with the version that is good, and goes on with the next batch when it is resumed', async () => {
  fleet = await startCoordinatorFleet({ recipe: withLimit(2, 5) });
  fleet.learner.moreMetrics = (step) => (step === 2 || step === 3 ? skipped : {});
  await fleet.submit('run-a');
  const end = await fleet.ended('run-a');
  expect(end).toMatchObject({
    state: RunState.FAILED,
    step: 3,
    message: expect.stringMatching(
      /^stage one: the last 2 steps had no finite update \(max_skipped_steps is 2\); the weights are those of version 1, the last that is good/,
    ),
  });
  expect(await fleet.summary('run-a')).toMatchObject({
    state: 'failed',
    message: end.message,
    model: null,
    stages: [{ steps: 3, learnedSteps: 1, finished: null }],
  });
  await fleet.submit('run-a', fleet.coordinator.client, true);
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 5 });
  // Every batch was trained on once.
  expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
  const lines = (await fleet.metricsLines('run-a')).filter(({ kind }) => kind === 'step');
  expect(lines.map(({ learned }) => learned)).toEqual([1, 0, 0, 1, 1]);
  expect((await fleet.summary('run-a')).stages[0].warnings).toEqual([
    expect.stringMatching(/^4 updates were left out because their gradient was not finite/),
  ]);
});

it('skipped steps that are fewer, or not in a row, do not end a run', async () => {
  fleet = await startCoordinatorFleet({ recipe: withLimit(2, 4) });
  fleet.learner.moreMetrics = (step) => (step % 2 === 0 ? skipped : { updates: 1, updates_skipped: 1 });
  await fleet.submit('run-a');
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 4 });
});
