import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { fourSteps } from '../stages/one-stage-run.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { isTraining, rewardOf } from './played-worker.ts';

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  await fleet.stop();
});

const recipe = fourSteps
  .replace('eval: { questions: 6 }', 'eval: { questions: 6, sampled: false, every_steps: 1 }')
  .replace('every_steps: 2', 'every_steps: 2, keep_best: 2')
  .replace('until: { steps: 4 }', 'until: { steps: 8 }');

/** Version 2 is the best, then 3; version 1 was among them for a while. */
const scores = [0, 0.3, 0.9, 0.6];

it('the learner is told to keep the versions with the best held-out score, also after a resume, and the summary names them', async () => {
  fleet = await startCoordinatorFleet({ recipe });
  const { client } = fleet.coordinator;
  let stopping: Promise<unknown> | undefined;
  fleet.setWorker((task, version) => {
    if (isTraining(task) && version === 5) stopping ??= client.stopRun({ runId: 'run-a', now: true });
    return { result: { reward: isTraining(task) ? rewardOf(task) : (scores[version] ?? 0.1) } };
  });
  await fleet.submit('run-a');
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.STOPPED });
  await stopping;
  await fleet.submit('run-a', client, true);
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 8 });
  const told = fleet.learner.applied.map(({ header }) => [Number(header.step), ...header.keepVersions.map(Number)]);
  expect(told).toEqual([[1], [2, 1], [3, 2, 1], [4, 2, 3], [5, 2, 3], [6, 2, 3], [7, 2, 3], [8, 2, 3]]);
  const named = { stage: 'one', metric: 'greedy.exact_match' };
  const weights = (version: number) => join(fleet.directoryOf('run-a'), `versions/00000${version}`);
  expect((await fleet.summary('run-a')).best).toEqual([
    { ...named, version: 2, step: 2, score: expect.closeTo(0.9), weights: weights(2) },
    { ...named, version: 3, step: 3, score: expect.closeTo(0.6), weights: weights(3) },
  ]);
});
