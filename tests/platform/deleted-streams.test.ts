import { afterEach, describe, expect, test } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { publishBytes } from '#platform/nats/publish.ts';
import { ensureStreams, streams, subjects } from '#platform/nats/streams.ts';
import { foldLedger } from '../../services/run/ledger/read-ledger.ts';
import { createLedgerWriter } from '../../services/coordinator/ledger-writer.ts';
import { readTrajectory } from '../../services/coordinator/groups/read-trajectory.ts';
import { startCoordinatorFleet } from '../coordinator/fleet.ts';
import { startNats, testRun } from './fixtures.ts';
import { fourSteps } from '../stages/one-stage-run.ts';
import { isTraining } from '../coordinator/played-worker.ts';
import { until } from '../until.ts';

const { signal } = new AbortController();

afterEach(async () => {
  await fleet?.stop();
  fleet = undefined;
});
let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>> | undefined;

/** A run whose `victim` is deleted when the first group of its step is closed; the step's tenth rollout and those after it are held until then. */
async function startRunAndDelete(victim: string) {
  const started = await startCoordinatorFleet({ recipe: fourSteps });
  fleet = started;
  let rollouts = 0;
  let gone = false;
  started.setWorker((task) => {
    if (isTraining(task)) rollouts += 1;
    return rollouts >= 10 && !gone ? { keep: true } : { result: { reward: task.sampleIndex % 2 } };
  });
  await started.submit('run-a');
  await until(async () => {
    const facts = (await started.ledger('run-a')).map(({ fact }) => fact);
    return facts.some((fact) => fact.case === 'groupClosed' && fact.value.fate === GroupFate.KEPT);
  });
  await started.nats.jsm.streams.delete(victim);
  gone = true;
  await started.handBack();
  return started;
}

describe('the ledger', () => {
  async function startWriter() {
    const { nats } = await startNats();
    const writer = createLedgerWriter(nats, await foldLedger(nats, testRun, signal));
    await writer.append({ case: 'runStarted', value: { recipeJson: '{}', recipeHash: 'h', directory: '/d' } });
    await nats.jsm.streams.delete(streams.ledger);
    const gone = {
      code: 'data_loss',
      message: expect.stringMatching(/stream LEDGER was deleted.*run r1.*restore the stream/),
    };
    return { nats, writer, gone };
  }

  test('P1: deleted under its writer is a clear error, and is not begun anew with what follows', async () => {
    const { nats, writer, gone } = await startWriter();
    await expect(writer.append({ case: 'stageEntered', value: { stage: 'one' } })).rejects.toMatchObject(gone);
    await expect(writer.verify()).rejects.toMatchObject(gone);
    await expect(foldLedger(nats, testRun, signal)).rejects.toMatchObject(gone);
    await expect(nats.jsm.streams.info(streams.ledger)).rejects.toThrow('stream not found');
  });

  test('P1: made again and empty, it is no other leader to its writer, but still a loss', async () => {
    const { nats, writer, gone } = await startWriter();
    await ensureStreams(nats);
    await expect(writer.append({ case: 'stageEntered', value: { stage: 'one' } })).rejects.toMatchObject(gone);
    await expect(writer.verify()).rejects.toMatchObject(gone);
    expect(writer.refused.aborted).toBe(false);
    expect((await nats.jsm.streams.info(streams.ledger)).state.messages).toBe(0);
  });

  test('P1: deleted under a run ends it, and its watchers get the name of the stream that is gone and what to do', async () => {
    const started = await startRunAndDelete(streams.ledger);
    await expect(started.ended('run-a')).rejects.toThrow(/stream LEDGER was deleted.*start a new run/);
    expect(started.learner.applied).toEqual([]);
  });
});

describe('trajectories', () => {
  test('P1, P10: deleted before their groups are closed are asked for again, and the run goes on', async () => {
    const started = await startCoordinatorFleet({ recipe: fourSteps.replace('steps: 4', 'steps: 1') });
    fleet = started;
    let hold = true;
    started.setWorker((task) =>
      isTraining(task) && task.sampleIndex === 3 && hold
        ? { keep: true }
        : { result: { reward: task.sampleIndex % 2 } },
    );
    await started.submit('run-a');
    const training = () => started.seen.filter(isTraining).length;
    const counted = /gradus_results_received_total\{reception="counted"\} (\d+)/;
    await until(async () => {
      const evaluated = started.seen.length - training();
      const [, count] = counted.exec(await started.coordinator.metrics.render()) ?? [];
      return training() === 12 && Number(count) === evaluated + 9;
    });
    await started.nats.jsm.streams.delete(streams.trajectories);
    hold = false;
    await started.handBack();
    expect(await started.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 1 });
    expect((await started.summary('run-a')).rollouts).toMatchObject({ refused: 9, lost: 0, duplicated: 0, open: 0 });
  });

  const publish = (nats: Awaited<ReturnType<typeof startNats>>['nats'], taskId: string) =>
    publishBytes(
      nats,
      subjects.trajectory(testRun),
      new TextEncoder().encode(taskId),
      { messageId: `${testRun}:${taskId}:0:t` },
      'a trajectory',
    );

  test('a stream that is deleted is made again by the next one who publishes to it', async () => {
    const { nats } = await startNats();
    for (const stream of [streams.trajectories, streams.tasks]) await nats.jsm.streams.delete(stream);
    expect(await publish(nats, 'a')).toEqual({ sequence: 1, duplicate: false });
    expect((await nats.jsm.streams.info(streams.tasks)).config.retention).toBe('workqueue');
  });

  test('P1: another rollout at the sequence of one that is gone is not taken for it', async () => {
    const { nats } = await startNats();
    const { sequence } = await publish(nats, 'a');
    const read = (taskId: string) => readTrajectory(nats, testRun, { taskId, trajectorySequence: BigInt(sequence) });
    expect(new TextDecoder().decode(await read('a'))).toBe('a');
    await nats.jsm.streams.delete(streams.trajectories);
    const gone = {
      code: 'data_loss',
      message: expect.stringMatching(
        /trajectory of sample a is gone: message 1 of stream TRAJECTORIES.*start a new run/,
      ),
    };
    await expect(read('a')).rejects.toMatchObject(gone);
    expect((await publish(nats, 'ab')).sequence).toBe(sequence);
    await expect(read('a')).rejects.toMatchObject(gone);
    expect(new TextDecoder().decode(await read('ab'))).toBe('ab');
  });

  test('P1: deleted after a group was closed fail the run with the sample and the sequence that are gone; nothing else is trained on', async () => {
    const started = await startRunAndDelete(streams.trajectories);
    const end = await started.ended('run-a');
    expect(end.state).toBe(RunState.FAILED);
    expect(end.message).toMatch(/trajectory of sample \w+ is gone: message \d+ of stream TRAJECTORIES/);
    expect(started.learner.applied).toEqual([]);
  });
});
