import { afterEach, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { fourSteps as recipe } from '../stages/one-stage-run.ts';
import { rewardOf } from './played-worker.ts';

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(() => fleet.stop());

const facts = async (name: string) => (await fleet.ledger('run-a')).filter(({ fact }) => fact.case === name);
const holders = async () =>
  (await fleet.ledger('run-a')).flatMap(({ fact }) =>
    fact.case === 'runStarted' || fact.case === 'runResumed' ? [fact.value.holder] : [],
  );

/** A run that a coordinator leads, which is asked to end while the run's fourth training rollout is played. */
async function startAndLeave(before: (leader: Coordinator) => Promise<void> = async () => {}) {
  const leader = await fleet.addCoordinator({ coordinatorId: 'first' });
  let rollouts = 0;
  const left = new Promise<void>((resolve, reject) => {
    fleet.setWorker((task) => {
      if (task.purpose === Purpose.TRAIN) rollouts += 1;
      if (rollouts === 4)
        void before(leader)
          .then(() => leader.stop())
          .then(resolve, reject);
      // What runs while the leader leaves is held, and comes back to the one who leads then.
      return rollouts >= 4 && rollouts <= 8 ? { keep: true } : { result: { reward: rewardOf(task) } };
    });
  });
  await fleet.submit('run-a', leader.client);
  await left;
  await fleet.handBack();
}
type Coordinator = Awaited<ReturnType<typeof fleet.addCoordinator>>;

describe('a coordinator that is asked to end', () => {
  it('P1, P8: leaves its run to another one, which goes on at once with the open rollouts', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    await startAndLeave();
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 4 });
    expect(await holders()).toEqual(['first', expect.stringMatching(/^coordinator-/)]);
    expect(await facts('runEnded')).toHaveLength(1);
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0, cancelled: 0 });
    expect(await fleet.coordinator.metrics.render()).toContain('gradus_runs_adopted_total{outcome="adopted"} 1');
    expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  });

  it('stops its run when nobody of its fleet is there, and the run can be resumed', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    await fleet.coordinator.stop();
    await startAndLeave();
    const other = await fleet.addCoordinator({ fleetId: 'other' });
    expect((await other.client.getRun({ runId: 'run-a' })).state).toBe(RunState.STOPPED);
    await fleet.submit('run-a', other.client, true);
    expect(await fleet.ended('run-a', other.client)).toMatchObject({ state: RunState.FINISHED, step: 4 });
  });

  it('stops its run when only coordinators of other fleets are there', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    await fleet.coordinator.stop();
    const other = await fleet.addCoordinator({ fleetId: 'other' });
    await startAndLeave();
    expect((await other.client.getRun({ runId: 'run-a' })).state).toBe(RunState.STOPPED);
    expect(await holders()).toEqual(['first']);
  });

  it('does not hand over a run that is asked to stop', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    await startAndLeave(async ({ client }) => {
      const runId = 'run-a';
      void client.stopRun({ runId }).catch(() => undefined);
      for await (const { message } of client.watchRun({ runId })) if (message.startsWith('stopping')) return;
    });
    expect((await fleet.ended('run-a')).state).toBe(RunState.STOPPED);
    expect(await holders()).toEqual(['first']);
  });
});
