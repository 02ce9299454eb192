import { afterEach, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { freeze } from '#platform/runtime/freeze-under-test.ts';
import { createCoordinators } from '../../services/cli/run/coordinators.ts';
import { requestStop } from '../../services/cli/run/request-stop.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { createCoordinatorProcesses } from './process.ts';
import { fourSteps as recipe } from '../stages/one-stage-run.ts';
import { isTraining, rewardOf } from './played-worker.ts';
import { until } from '../until.ts';

const processes = createCoordinatorProcesses();
let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  processes.killAll();
  await fleet.stop();
});

type Leader = Awaited<ReturnType<typeof processes.spawn>>;

const facts = async (name: string) => (await fleet.ledger('run-a')).filter(({ fact }) => fact.case === name);
const holders = async () =>
  (await fleet.ledger('run-a')).flatMap(({ fact }) =>
    fact.case === 'runStarted' || fact.case === 'runResumed' ? [fact.value.holder] : [],
  );

/** A run whose leader is a process of its own, in the middle of the rollouts of its first step. */
async function startStep(...flags: string[]): Promise<Leader> {
  fleet = await startCoordinatorFleet({ recipe });
  const leader = await processes.spawn(fleet, '--coordinator-id', 'first', ...flags);
  let held = 0;
  fleet.setWorker((task) => {
    if (!isTraining(task)) return { result: { reward: rewardOf(task) } };
    held += 1;
    return { keep: true };
  });
  await fleet.submit('run-a', leader.client);
  await until(() => held >= 12);
  return leader;
}

/** What workers held comes back to the queue, and from now on is played. */
async function play(): Promise<void> {
  fleet.setWorker((task) => ({ result: { reward: rewardOf(task) } }));
  await fleet.handBack();
}

async function kill(leader: Leader): Promise<void> {
  leader.child.kill('SIGKILL');
  leader.client.close();
}

async function resumeToEnd(client = fleet.coordinator.client): Promise<void> {
  await fleet.submit('run-a', client, true);
  expect(await fleet.ended('run-a', client)).toMatchObject({ state: RunState.FINISHED, step: 4 });
  expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0 });
}

describe('a stop that was acknowledged', () => {
  it('P1, P10: outlives the coordinator that took it: the next one finishes the step and stops', async () => {
    const leader = await startStep();
    expect(await leader.client.stopRun({ runId: 'run-a', noWait: true, reason: 'Ctrl-C' })).toMatchObject({
      state: RunState.RUNNING,
    });
    await kill(leader);
    await play();
    expect(await fleet.ended('run-a')).toMatchObject({
      state: RunState.STOPPED,
      step: 1,
      message: 'stopped on request; it can be resumed',
    });
    expect(await holders()).toEqual(['first', expect.stringMatching(/^coordinator-/)]);
    const [asked] = await facts('stopRequested');
    expect(asked?.fact.value).toMatchObject({ now: false, reason: 'Ctrl-C', holder: 'first' });
    await resumeToEnd();
  });

  it('P1: with the word to stop now is followed at once, without the step', async () => {
    const leader = await startStep();
    await leader.client.stopRun({ runId: 'run-a', now: true, noWait: true });
    await kill(leader);
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.STOPPED, step: 0 });
    await play();
    await resumeToEnd();
  });

  it('is kept to by the only coordinator of a fleet when it comes back under its name', async () => {
    const leader = await startStep('--fleet-id', 'own');
    await leader.client.stopRun({ runId: 'run-a', noWait: true });
    await kill(leader);
    const after = await processes.spawn(fleet, '--coordinator-id', 'first', '--fleet-id', 'own');
    await play();
    expect(await fleet.ended('run-a', after.client)).toMatchObject({ state: RunState.STOPPED, step: 1 });
    after.client.close();
  });

  it('is one fact however often it is repeated, and one more when it becomes urgent', async () => {
    const leader = await startStep();
    const ask = (now: boolean) => leader.client.stopRun({ runId: 'run-a', now, noWait: true });
    await Promise.all([ask(false), ask(false), ask(false)]);
    await ask(false);
    await Promise.all([ask(true), ask(true)]);
    expect(await fleet.ended('run-a', leader.client)).toMatchObject({ state: RunState.STOPPED, step: 0 });
    expect((await facts('stopRequested')).map(({ fact }) => fact.value)).toMatchObject([{ now: false }, { now: true }]);
    expect(await ask(false)).toMatchObject({ state: RunState.STOPPED });
    expect(await facts('stopRequested')).toHaveLength(2);
    leader.client.close();
  });
});

describe('a stop that was not acknowledged', () => {
  it('P10: reaches the next leader when the present one dies over it', async () => {
    const leader = await startStep();
    await kill(leader);
    // The lease of the dead leader still stands.
    const answer = await fleet.coordinator.client.stopRun({ runId: 'run-a', noWait: true });
    expect(answer).toMatchObject({ state: RunState.RUNNING });
    await play();
    const ended = await fleet.ended('run-a');
    expect(ended.state).toBe(RunState.STOPPED);
    expect(ended.step).toBeLessThan(4);
    expect(await facts('stopRequested')).toHaveLength(1);
  });

  it('P10: is asked for by the command line until a leader takes it, or within a bound that is said', async () => {
    const leader = await startStep();
    leader.child.kill('SIGKILL');
    const wish = { runId: 'run-a', now: true, reason: 'a test' };
    await expect(requestStop(createCoordinators([leader.client]), wish, { withinMs: 1_000 })).rejects.toThrow(
      /^no coordinator took the request to stop run run-a within 1 s \(last: .*\); the run may go on: ask again, or stop the fleet$/,
    );
    const retried: string[] = [];
    const both = createCoordinators([leader.client, leader.client, fleet.coordinator.client]);
    await requestStop(both, wish, { onRetry: ({ message }) => retried.push(message) });
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.STOPPED, step: 0 });
    expect((await facts('stopRequested')).map(({ fact }) => fact.value)).toMatchObject([
      { now: true, reason: 'a test' },
    ]);
    leader.client.close();
    await play();
  });

  it('P10: does not wait for a leader that is frozen', async () => {
    const leader = await startStep();
    await freeze(Number(leader.child.pid));
    expect(await fleet.coordinator.client.stopRun({ runId: 'run-a', now: true })).toMatchObject({
      state: RunState.STOPPED,
    });
    leader.child.kill('SIGCONT');
    await until(async () => (await leader.metrics()).includes('gradus_run_leaderships_lost_total 1'));
    expect(await facts('runEnded')).toHaveLength(1);
    leader.client.close();
    await play();
    await resumeToEnd();
  });

  it('ends a run that nobody leads and nobody takes over', async () => {
    const leader = await startStep('--fleet-id', 'gone');
    await kill(leader);
    const { client } = fleet.coordinator;
    expect(await client.stopRun({ runId: 'run-a', noWait: true, reason: 'r'.repeat(300) })).toMatchObject({
      state: RunState.STOPPED,
    });
    expect(await fleet.ended('run-a')).toMatchObject({
      state: RunState.STOPPED,
      message: 'stopped on request while no coordinator led it; it can be resumed',
    });
    expect((await fleet.summary('run-a')).state).toBe('stopped');
    const [asked] = await facts('stopRequested');
    expect(asked?.fact.value).toMatchObject({ reason: 'r'.repeat(200) });
    await play();
    await resumeToEnd();
  });

  it('waits for a run that is just being started', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    const submitted = fleet.submit('run-a');
    const stopped = fleet.coordinator.client.stopRun({ runId: 'run-a' });
    await submitted;
    expect(await stopped).toMatchObject({ state: RunState.STOPPED });
    await resumeToEnd();
  });
});
