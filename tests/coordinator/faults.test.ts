import { afterEach, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { TransientError } from '#platform/errors.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { startGate } from '../fixtures/tcp-gate.ts';
import { oneStage, twoStages } from './two-stage-run.ts';
import { until } from '../until.ts';

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  await fleet.stop();
});

describe('faults', () => {
  it('P1: a learner that dies is opened again, gets the steps since its checkpoint, and applies each once more', async () => {
    fleet = await startCoordinatorFleet({ recipe: oneStage.replace('every_steps: 2', 'every_steps: 100') });
    const { learner } = fleet;
    learner.beforeStep = async (step) => {
      if (step === 3 && learner.applied.length === 2) learner.crash();
    };
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    expect(learner.applied.map(({ step }) => step)).toEqual([1, 2, 1, 2, 3]);
    expect(learner.applied[2]?.payloads).toEqual(learner.applied[0]?.payloads);
    const committed = (await fleet.ledger('run-a')).filter(({ fact }) => fact.case === 'stepCommitted');
    expect(committed).toHaveLength(3);
  });

  it('P1, P10: a learner that is killed in the middle of a step is asked again as soon as it is back', async () => {
    fleet = await startCoordinatorFleet({ recipe: oneStage });
    const { learner } = fleet;
    await using gate = await startGate(learner.address);
    const { client } = await fleet.addCoordinator({ learner: gate.address });
    const { promise: training, resolve } = Promise.withResolvers<void>();
    learner.beforeStep = async (step) => {
      if (step !== 2) return;
      resolve();
      await new Promise(() => undefined);
    };
    await fleet.submit('run-a', client);
    await training;
    // As the kernel does for a process that is killed: its connections break, and its port refuses.
    await gate.shut();
    learner.crash();
    learner.beforeStep = async () => {};
    await until(async () => (await client.getRun({ runId: 'run-a' })).message.startsWith('waiting for the learner'));
    await gate.open();
    expect(await fleet.ended('run-a', client)).toMatchObject({ state: RunState.FINISHED, step: 3 });
    expect(learner.applied.map(({ step }) => step)).toEqual([1, 1, 2, 3]);
  });

  it('P1: a step whose answer was lost is not applied twice', async () => {
    fleet = await startCoordinatorFleet({ recipe: oneStage });
    fleet.learner.failNext(new TransientError('unavailable', 'the connection broke'), 'after');
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1, 2, 3]);
  });

  it('P10: a full disk of the learner is waited for, and the run goes on when there is room', async () => {
    fleet = await startCoordinatorFleet({ recipe: oneStage });
    fleet.learner.failNext(new TransientError('resource_exhausted', 'checkpoint: no space left on device'), 'before');
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1, 2, 3]);
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, duplicated: 0 });
  });

  it('P1: NATS becomes unavailable and comes back in the middle of a run, and nothing is lost', async () => {
    fleet = await startCoordinatorFleet({ recipe: twoStages });
    let restarted: Promise<void> | undefined;
    fleet.learner.beforeStep = async (step) => {
      if (step === 2) restarted ??= fleet.restartNats();
    };
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    await restarted;
    expect(restarted).toBeDefined();
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0 });
    expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
  });
});
