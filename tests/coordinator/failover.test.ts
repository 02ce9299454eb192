import { afterEach, describe, expect, it, vi } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { accountOf, createCoordinatorProcesses } from './process.ts';
import { fourSteps as recipe } from '../stages/one-stage-run.ts';
import { rewardOf } from './played-worker.ts';
import { until } from '../until.ts';

const processes = createCoordinatorProcesses();
let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  vi.useRealTimers();
  processes.killAll();
  await fleet.stop();
});

/** What the same run decides when nothing happens to it. */
let wanted: Promise<object[]> | undefined;
const undisturbed = () =>
  (wanted ??= (async () => {
    const other = await startCoordinatorFleet({ recipe });
    await other.submit('run-a');
    await other.ended('run-a');
    const account = await accountOf(other, 'run-a');
    await other.stop();
    return account;
  })());

const leaders = async () =>
  (await fleet.ledger('run-a')).flatMap(({ fact }) =>
    fact.case === 'runStarted' || fact.case === 'runResumed' ? [fact.value.holder] : [],
  );

/** The run has ended as if nothing had happened to it. */
async function expectWhole() {
  expect(await accountOf(fleet, 'run-a')).toEqual(await undisturbed());
  const { rollouts } = await fleet.summary('run-a');
  expect(rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0, failedInfra: 0 });
  expect(rollouts.published).toBe(rollouts.completed);
  expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  expect(fleet.loaded.map(({ version }) => version).toSorted((a, b) => a - b)).toEqual(
    fleet.loaded.map(({ version }) => version),
  );
  const lines = (await fleet.metricsLines('run-a')).filter((line: { kind: string }) => line.kind === 'step');
  expect(lines.map((line: { step: number }) => line.step)).toEqual([1, 2, 3, 4]);
}

describe('a coordinator that is killed', () => {
  it.each([
    { where: 'in an evaluation', tasks: 7 },
    { where: 'in the rollouts of a step', tasks: 30 },
    { where: 'later', tasks: 50 },
  ])(
    'P1, P8: $where is followed by another one, which completes the open groups and generates nothing again',
    async ({ tasks }) => {
      fleet = await startCoordinatorFleet({ recipe });
      const leader = await processes.spawn(fleet, '--coordinator-id', 'first');
      let killed = false;
      fleet.setWorker((task) => {
        if (fleet.seen.length >= tasks && !killed) {
          killed = true;
          leader.child.kill('SIGKILL');
        }
        return { result: { reward: rewardOf(task) } };
      });
      await fleet.submit('run-a', leader.client);
      await until(() => killed);
      leader.client.close();
      expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
      await expectWhole();
      expect(await leaders()).toEqual(['first', expect.stringMatching(/^coordinator-/)]);
      expect(new Set(fleet.seen.map((task) => `${task.taskId}:${task.attempt}`)).size).toBe(fleet.seen.length);
      expect(await fleet.coordinator.metrics.render()).toContain('gradus_runs_adopted_total{outcome="adopted"} 1');
    },
  );

  it('P1: between the learner and the commit does not have the step applied twice', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    const leader = await processes.spawn(fleet);
    let killed = false;
    fleet.learner.beforeStep = async (step) => {
      if (step !== 3 || killed) return;
      killed = true;
      leader.child.kill('SIGKILL');
    };
    await fleet.submit('run-a', leader.client);
    await until(() => killed);
    leader.client.close();
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    await expectWhole();
  });

  it('is followed by exactly one of several that wait', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    await fleet.addCoordinator();
    await fleet.addCoordinator();
    const leader = await processes.spawn(fleet, '--coordinator-id', 'first');
    let killed = false;
    fleet.setWorker((task) => {
      if (task.purpose === Purpose.TRAIN && !killed) {
        killed = true;
        leader.child.kill('SIGKILL');
      }
      return { result: { reward: rewardOf(task) } };
    });
    await fleet.submit('run-a', leader.client);
    await until(() => killed);
    leader.client.close();
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    await expectWhole();
    expect(await leaders()).toHaveLength(2);
  });

  it('goes on with its run when it comes back under its name, and no other fleet touches the run', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    const flags = ['--fleet-id', 'own', '--coordinator-id', 'only'];
    const before = await processes.spawn(fleet, ...flags);
    let killed = false;
    fleet.setWorker((task) => {
      if (task.purpose === Purpose.TRAIN && !killed) {
        killed = true;
        before.child.kill('SIGKILL');
      }
      return { result: { reward: rewardOf(task) } };
    });
    await fleet.submit('run-a', before.client);
    await until(() => killed);
    before.client.close();
    const get = () => fleet.coordinator.client.getRun({ runId: 'run-a' });
    await until(async () => (await get()).state === RunState.INTERRUPTED);
    expect(await leaders()).toEqual(['only']);
    const after = await processes.spawn(fleet, ...flags);
    expect((await fleet.ended('run-a', after.client)).state).toBe(RunState.FINISHED);
    after.client.close();
    await expectWhole();
    expect(await leaders()).toEqual(['only', 'only']);
  });

  it('leaves a run that another fleet goes on with when it is asked to', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    const gone = await processes.spawn(fleet, '--fleet-id', 'gone');
    fleet.setWorker((task) => {
      if (task.purpose === Purpose.TRAIN) gone.child.kill('SIGKILL');
      return { result: { reward: rewardOf(task) } };
    });
    await fleet.submit('run-a', gone.client);
    await until(() => gone.child.killed);
    gone.client.close();
    // The lease of the dead leader may still stand: it is waited for.
    await fleet.submit('run-a', fleet.coordinator.client, true);
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    await expectWhole();
  });
});

describe('a coordinator that is frozen', () => {
  it.each([
    { when: 'while the other one leads', steps: 2 },
    { when: 'after the run has ended', steps: 4 },
  ])('P1: writes nothing, trains nothing and loads nothing when it wakes up $when', async ({ steps }) => {
    fleet = await startCoordinatorFleet({ recipe });
    const leader = await processes.spawn(fleet, '--coordinator-id', 'first');
    let frozen = false;
    let hold: Promise<void> | undefined;
    let goOn = () => {};
    fleet.learner.beforeStep = async (step) => {
      if (step === 2 && !frozen) {
        // The answer to this step finds a leader of the past.
        frozen = true;
        leader.child.kill('SIGSTOP');
      }
      if (step === 3) await hold;
    };
    if (steps === 2) hold = new Promise((resolve) => (goOn = resolve));
    await fleet.submit('run-a', leader.client);
    await until(async () => {
      const facts = (await fleet.ledger('run-a')).map(({ fact }) => fact.case);
      return facts.includes('runResumed') && facts.filter((fact) => fact === 'stepCommitted').length >= steps;
    });
    leader.child.kill('SIGCONT');
    await until(async () => (await leader.metrics()).includes('gradus_run_leaderships_lost_total 1'));
    goOn();
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    // It serves on, as one that follows.
    expect((await leader.client.getRun({ runId: 'run-a' })).state).toBe(RunState.FINISHED);
    leader.client.close();
    await expectWhole();
    expect(await leaders()).toHaveLength(2);
    const epochs = fleet.loaded.map(({ epoch }) => epoch);
    expect(epochs).toEqual(epochs.toSorted((a, b) => a - b));
    expect((await fleet.ledger('run-a')).filter(({ fact }) => fact.case === 'runEnded')).toHaveLength(1);
  });
});

describe('leadership', () => {
  it('is not moved by clocks that jump', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    await fleet.addCoordinator();
    const hour = 3_600_000;
    vi.useFakeTimers({ toFake: ['Date'] });
    fleet.setWorker((task) => {
      if (task.sampleIndex === 0) vi.setSystemTime(Date.now() + (fleet.seen.length % 2 === 0 ? hour : -hour));
      return { result: { reward: rewardOf(task) } };
    });
    await fleet.submit('run-a');
    await until(async () => (await fleet.ledger('run-a')).some(({ fact }) => fact.case === 'runEnded'));
    vi.useRealTimers();
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    expect(await leaders()).toHaveLength(1);
    await expectWhole();
  });

  it('P1: stays where it is when the buckets of leases and of running runs are deleted', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    const other = await fleet.addCoordinator();
    let gone: Promise<unknown> | undefined;
    fleet.setWorker((task) => {
      if (task.purpose === Purpose.TRAIN)
        gone ??= Promise.all(['leases', 'running'].map((name) => fleet.nats.jsm.streams.delete(`KV_gradus-${name}`)));
      return { result: { reward: rewardOf(task) } };
    });
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a', other.client)).state).toBe(RunState.FINISHED);
    await gone;
    await expectWhole();
  });
});

describe('a coordinator that does not lead the run', () => {
  it('reports its progress, follows it, refuses a second one, and passes on the request to stop', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    const { client } = await fleet.addCoordinator();
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    fleet.learner.beforeStep = () => held;
    await fleet.submit('run-a');
    const train = async () => (await fleet.ledger('run-a')).some(({ fact }) => fact.case === 'stepFormed');
    await until(train);
    const [here, there] = await Promise.all([
      fleet.coordinator.client.getRun({ runId: 'run-a' }),
      client.getRun({ runId: 'run-a' }),
    ]);
    expect(there).toMatchObject({
      state: RunState.RUNNING,
      phase: here.phase,
      rolloutsExpected: here.rolloutsExpected,
    });
    expect((await client.listRuns({})).runs.map(({ state }) => state)).toEqual([RunState.RUNNING]);
    const another = { runId: 'run-b', recipeJson: fleet.recipeJson, directory: fleet.directoryOf('run-b') };
    await expect(client.submitRun({ ...another, noQueue: true })).rejects.toThrow(
      'fleet default has 1 of at most 1 runs (run-a)',
    );
    await expect(client.submitRun({ ...another, runId: 'run-a' })).rejects.toMatchObject({ code: 'already_exists' });

    const followed = fleet.ended('run-a', client);
    const stopped = client.stopRun({ runId: 'run-a', now: false });
    await until(async () => (await client.getRun({ runId: 'run-a' })).message.startsWith('stopping'));
    release();
    expect(await stopped).toMatchObject({ state: RunState.STOPPED });
    expect(await followed).toMatchObject({ state: RunState.STOPPED, step: 1 });
    // Anyone who is asked goes on with it.
    await fleet.submit('run-a', client, true);
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    await expectWhole();
  });
});
