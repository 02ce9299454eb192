import { afterEach, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { recipeWith, rewarded } from '../stages/one-stage-run.ts';
import { isTraining, rewardOf } from './played-worker.ts';

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  await fleet.stop();
});

it.each([
  [FailureClass.USER_ENVIRONMENT, 'environment mine, step of turn 0: TypeError: x is undefined at /home/mine.ts:12:5'],
  [FailureClass.USER_SCORER, 'scorer house threw: TypeError: x is undefined at /home/house.ts:3:1'],
])(
  'P2: user code that throws ends the run at once with its place, and the run goes on after the fix: %s',
  async (failure, failureDetail) => {
    fleet = await startCoordinatorFleet({
      recipe: recipeWith(0),
      worker: (task) =>
        isTraining(task) && task.sampleIndex === 2
          ? { result: { failure, failureDetail } }
          : { result: { reward: rewardOf(task) } },
    });
    await fleet.submit('run-a');
    const { state, message } = await fleet.ended('run-a');
    expect(state).toBe(RunState.FAILED);
    expect(message).toMatch(/^rollout [0-9a-f]+: /);
    expect(message).toContain(failureDetail);
    expect(message).toContain('gradus resume');
    // Not after retries: no sample was asked for again.
    expect(fleet.seen.every(({ attempt }) => attempt === 0)).toBe(true);

    fleet.setWorker(rewarded);
    await fleet.submit('run-a', fleet.coordinator.client, true);
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    const { rollouts } = await fleet.summary('run-a');
    expect(rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0 });
  },
);
