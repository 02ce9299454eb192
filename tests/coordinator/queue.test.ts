import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { fourSteps as recipe } from '../stages/one-stage-run.ts';
import { until } from '../until.ts';
import { startCoordinatorFleet, type CoordinatorFleetOptions } from './fleet.ts';
import { isTraining, rewardOf } from './played-worker.ts';
import { createCoordinatorProcesses } from './process.ts';

const processes = createCoordinatorProcesses();
let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  processes.killAll();
  await fleet.stop();
});

/** `first` goes on until `play`: its workers hold what they are given. */
async function startBusy(options: Partial<CoordinatorFleetOptions> = {}): Promise<void> {
  fleet = await startCoordinatorFleet({ recipe, ...options });
  holdRollouts();
  await fleet.submit('first');
}

function holdRollouts(): void {
  fleet.setWorker((task) => (isTraining(task) ? { keep: true } : { result: { reward: rewardOf(task) } }));
}

async function play(): Promise<void> {
  fleet.setWorker((task) => ({ result: { reward: rewardOf(task) } }));
  await fleet.handBack();
}

const send = (runId: string, more: { priority?: number; noQueue?: boolean } = {}, client = fleet.coordinator.client) =>
  client.submitRun({ runId, recipeJson: fleet.recipeJson, directory: fleet.directoryOf(runId), ...more });
const get = (runId: string, client = fleet.coordinator.client) => client.getRun({ runId });
const factsOf = async (runId: string) =>
  (await fleet.ledger(runId)).flatMap(({ fact }) =>
    fact.case === 'runQueued' || fact.case === 'runStarted' || fact.case === 'runResumed' || fact.case === 'runEnded'
      ? [fact.case]
      : [],
  );
const startedAt = async (runId: string): Promise<bigint> =>
  (await fleet.ledger(runId)).find(({ fact }) => fact.case === 'runStarted')?.atMs ?? 0n;

describe('a run for which the fleet has no place', () => {
  it('P9: waits in the queue by priority, then by when it came, says for whom, and begins when its turn comes', async () => {
    await startBusy();
    const reason =
      'fleet default has 1 of at most 1 runs (first); run first changes the policy and goes on alone: a fleet has one learner, and its engines have one set of weights';
    expect(await send('early')).toMatchObject({ queued: { position: 1, reason } });
    expect(await send('late')).toMatchObject({ queued: { position: 2, reason: 'behind run early in the queue' } });
    expect(await send('urgent', { priority: 4 })).toMatchObject({ queued: { position: 1 } });
    const { runs } = await fleet.coordinator.client.listRuns({});
    expect(runs.map(({ runId, state, queuePosition, message }) => [runId, state, queuePosition, message])).toEqual([
      ['early', RunState.QUEUED, 2, 'behind run urgent in the queue'],
      ['first', RunState.RUNNING, 0, expect.any(String)],
      ['late', RunState.QUEUED, 3, 'behind run early in the queue'],
      ['urgent', RunState.QUEUED, 1, reason],
    ]);
    expect(await fleet.summary('late')).toMatchObject({ state: 'queued', rollouts: { published: 0 } });
    expect(JSON.parse(await readFile(join(fleet.directoryOf('late'), 'recipe.json'), 'utf8'))).toBeTruthy();
    await play();
    const ends = await Promise.all(['first', 'urgent', 'early', 'late'].map((runId) => fleet.ended(runId)));
    expect(ends.map(({ state, step }) => [state, step])).toEqual(ends.map(() => [RunState.FINISHED, 4]));
    const [urgent, early, late] = [await startedAt('urgent'), await startedAt('early'), await startedAt('late')];
    expect(urgent < early && early < late).toBe(true);
    expect(await factsOf('late')).toEqual(['runQueued', 'runStarted', 'runEnded']);
    for (const runId of ['urgent', 'early', 'late'])
      expect((await fleet.summary(runId)).rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0 });
  });

  it('P9: is refused beyond the bound of the queue, and where it does not want to wait, with the names of those before it', async () => {
    await startBusy({ config: { maxQueuedRuns: 1 } });
    await expect(send('second', { noQueue: true })).rejects.toThrow('1 of at most 1 runs (first)');
    await expect(get('second')).rejects.toMatchObject({ code: 'not_found' });
    await send('second');
    await expect(send('third')).rejects.toThrow(
      /the queue is full: 1 runs wait, of at most 1 \(fleet.max_queued_runs\); cancel one of second, or wait/,
    );
    await expect(get('third')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('P1: is one run, however many submit it under its name at once', async () => {
    await startBusy();
    const { client } = await fleet.addCoordinator();
    const sent = await Promise.allSettled([send('twice'), send('twice'), send('twice', {}, client)]);
    expect(sent.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const each of sent)
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'already_exists' });
    expect(await factsOf('twice')).toEqual(['runQueued']);
    await play();
    expect(await fleet.ended('twice')).toMatchObject({ state: RunState.FINISHED });
    expect(await factsOf('twice')).toEqual(['runQueued', 'runStarted', 'runEnded']);
  });

  it('is cancelled in the queue without having begun, and can be resumed, which queues it again', async () => {
    await startBusy();
    await send('second');
    const { client } = fleet.coordinator;
    expect(await client.stopRun({ runId: 'second', reason: 'gradus cancel' })).toMatchObject({
      state: RunState.STOPPED,
    });
    expect(await get('second')).toMatchObject({
      message: 'cancelled in the queue (gradus cancel); it can be resumed',
      queuePosition: 0,
    });
    expect(await fleet.summary('second')).toMatchObject({ state: 'stopped' });
    expect(await fleet.submit('second', client, true)).toMatchObject({ queued: { position: 1 } });
    await expect(fleet.submit('second', client, true)).rejects.toThrow("'second' waits in the queue already");
    await play();
    expect(await fleet.ended('second')).toMatchObject({ state: RunState.FINISHED, step: 4 });
    expect(await factsOf('second')).toEqual(['runQueued', 'runEnded', 'runQueued', 'runStarted', 'runEnded']);
  });

  it('P9: ends with the reason where its files have changed while it waited', async () => {
    await startBusy();
    await send('second');
    const data = join(dirname(dirname(fleet.directoryOf('second'))), 'train.jsonl');
    const before = await readFile(data, 'utf8');
    await writeFile(data, before.split('\n').slice(1).join('\n'));
    await fleet.coordinator.client.stopRun({ runId: 'first', now: true });
    const ended = await fleet.ended('second');
    expect(ended.state).toBe(RunState.FAILED);
    expect(ended.message).toMatch(/it could not begin: run second stands on what has changed[^]*train\.jsonl: was/);
    await writeFile(data, before);
    await play();
    await fleet.submit('second', fleet.coordinator.client, true);
    expect(await fleet.ended('second')).toMatchObject({ state: RunState.FINISHED });
  });
});

describe('the queue', () => {
  it('P1, P10: outlives the coordinators that took the runs: the next one begins them in the same order', async () => {
    fleet = await startCoordinatorFleet({ recipe, config: { fleetId: 'other' } });
    const flags = ['--coordinator-id', 'one', '--fleet-id', 'own'];
    const killed = await processes.spawn(fleet, ...flags);
    holdRollouts();
    await fleet.submit('first', killed.client);
    await send('second', {}, killed.client);
    await send('third', { priority: 2 }, killed.client);
    killed.child.kill('SIGKILL');
    killed.client.close();
    // Coordinators of another fleet leave it alone, and say so.
    expect(await get('second')).toMatchObject({
      state: RunState.QUEUED,
      queuePosition: 0,
      message: expect.stringContaining("'gradus resume second' submits it here"),
    });
    const after = await processes.spawn(fleet, ...flags);
    expect(await get('third', after.client)).toMatchObject({ state: RunState.QUEUED, queuePosition: 1 });
    await play();
    for (const runId of ['first', 'third', 'second'])
      expect(await fleet.ended(runId, after.client)).toMatchObject({ state: RunState.FINISHED, step: 4 });
    expect((await startedAt('third')) < (await startedAt('second'))).toBe(true);
    after.client.close();
  });

  it('P1, P10: has nothing of a run whose coordinator died while it took it, and the run can be submitted again', async () => {
    await startBusy();
    const entry = 'default.waiting.9.1.alone.ghost';
    const kv = await fleet.nats.kvm.open('gradus-running');
    await kv.put(entry, '');
    await send('second');
    await fleet.coordinator.client.stopRun({ runId: 'first', now: true });
    await play();
    expect(await fleet.ended('second')).toMatchObject({ state: RunState.FINISHED });
    expect(await kv.get(entry)).toBeNull();
    await fleet.submit('ghost');
    expect(await fleet.ended('ghost')).toMatchObject({ state: RunState.FINISHED });
  });

  it('is served by whichever coordinator of the fleet has room, one run at a time', async () => {
    await startBusy();
    const { client } = await fleet.addCoordinator();
    const names = ['second', 'third', 'fourth'];
    for (const [index, runId] of names.entries()) await send(runId, {}, index === 1 ? client : undefined);
    let most = 0;
    const over = new AbortController();
    const watch = (async () => {
      while (!over.signal.aborted) {
        const { runs } = await client.listRuns({});
        most = Math.max(most, runs.filter(({ state }) => state === RunState.RUNNING).length);
      }
    })();
    await play();
    for (const runId of ['first', ...names]) expect((await fleet.ended(runId)).state).toBe(RunState.FINISHED);
    over.abort();
    await watch;
    expect(most).toBe(1);
    await until(async () => (await client.listRuns({})).runs.every(({ queuePosition }) => queuePosition === 0));
  });
});
