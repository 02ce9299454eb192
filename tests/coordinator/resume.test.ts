import { access, mkdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { publishMessage } from '#platform/nats/publish.ts';
import { subjects } from '#platform/nats/streams.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { accountOf } from './process.ts';
import { fourSteps as recipe } from '../stages/one-stage-run.ts';
import { rewardOf } from './played-worker.ts';

type Fleet = Awaited<ReturnType<typeof startCoordinatorFleet>>;
let fleet: Fleet;
afterEach(async () => {
  await fleet.stop();
});

async function undisturbed() {
  const other = await startCoordinatorFleet({ recipe });
  await other.submit('run-a');
  await other.ended('run-a');
  const account = await accountOf(other, 'run-a');
  await other.stop();
  return account;
}

describe('a run that is stopped', () => {
  it('finishes the step in progress first, and can be resumed', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    const { client } = fleet.coordinator;
    let stopping: Promise<unknown> | undefined;
    fleet.setWorker((task) => {
      if (task.purpose === Purpose.TRAIN) stopping ??= client.stopRun({ runId: 'run-a', now: false });
      return { result: { reward: rewardOf(task) } };
    });
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    await stopping;
    expect(end).toMatchObject({ state: RunState.STOPPED, message: 'stopped on request; it can be resumed' });
    expect(end.step).toBe(1);
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, open: 0 });
    await fleet.submit('run-a', client, true);
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 4 });
    expect(await accountOf(fleet, 'run-a')).toEqual(await undisturbed());
  });

  it('stops now in the middle of a group when asked to, and goes on there', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    const { client } = fleet.coordinator;
    let stopping: Promise<unknown> | undefined;
    fleet.setWorker((task) => {
      if (task.purpose === Purpose.TRAIN) stopping ??= client.stopRun({ runId: 'run-a', now: true });
      // Nothing comes back from the step in progress.
      return task.purpose === Purpose.TRAIN && stopping !== undefined
        ? { delay: 100_000 }
        : { result: { reward: rewardOf(task) } };
    });
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    await stopping;
    expect(end).toMatchObject({ state: RunState.STOPPED, step: 0 });
    const before = await fleet.summary('run-a');
    expect(before.rollouts.lost).toBe(0);
    fleet.setWorker((task) => ({ result: { reward: rewardOf(task) } }));
    await fleet.submit('run-a', client, true);
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 4 });
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0 });
  });
});

describe('a run whose files were moved', () => {
  it('P1: goes on where they lie now, with the same rollouts and batches, and leaves the old place alone', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    const { client } = fleet.coordinator;
    let stopping: Promise<unknown> | undefined;
    fleet.setWorker((task) => {
      if (task.purpose === Purpose.TRAIN) stopping ??= client.stopRun({ runId: 'run-a', now: false });
      return { result: { reward: rewardOf(task) } };
    });
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.STOPPED, step: 1 });
    await stopping;

    const [from, to] = [fleet.directoryOf('run-a'), `${fleet.directoryOf('moved')}/run-a`];
    await mkdir(dirname(to), { recursive: true });
    await rename(from, to);
    const { paths } = JSON.parse(fleet.recipeJson);
    await rename(paths.train, join(to, 'train.jsonl'));
    const moved = (recipeJson: string, directory = to) =>
      client.submitRun({ runId: 'run-a', recipeJson, directory, resume: true });
    const recipeJson = fleet.recipeJson.replace(paths.train, join(to, 'train.jsonl'));
    await expect(moved(recipeJson.replace('"seed":3', '"seed":4'))).rejects.toThrow('recipe_json: differs');
    await expect(moved(recipeJson, `${to}-elsewhere`)).rejects.toThrow(
      `${to}-elsewhere has no recipe.json; the run's files were last in ${from}`,
    );
    await expect(moved(recipeJson, 'runs/run-a')).rejects.toThrow("directory: 'runs/run-a' must be an absolute path");

    const loads = fleet.loaded.length;
    await moved(recipeJson);
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 4, directory: to, message: '' });
    expect(fleet.learner.opened.at(-1)?.directory).toBe(to);
    for (const { weightsPath } of fleet.loaded.slice(loads)) expect(weightsPath).toContain(to);
    await expect(access(from)).rejects.toThrow('ENOENT');
    const written = JSON.parse(await readFile(join(to, 'recipe.json'), 'utf8'));
    expect(written).toMatchObject({ directory: to, paths: { ...paths, train: join(to, 'train.jsonl') } });
    await rename(to, from);
    expect(await accountOf(fleet, 'run-a')).toEqual(await undisturbed());
  });
});

describe('requests', () => {
  it('are refused with the field and the reason', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    const { client } = fleet.coordinator;
    const good = { runId: 'run-a', recipeJson: fleet.recipeJson, directory: fleet.directoryOf('run-a'), resume: false };
    await expect(client.submitRun({ ...good, runId: 'Run A' })).rejects.toThrow(
      "run_id: 'Run A' must be 1 to 64 of a-z, 0-9 and -",
    );
    await expect(client.submitRun({ ...good, directory: 'runs/a' })).rejects.toThrow(
      "directory: 'runs/a' must be an absolute path",
    );
    await expect(client.submitRun({ ...good, recipeJson: '{}' })).rejects.toThrow('recipe_json: format');
    await expect(client.submitRun({ ...good, resume: true })).rejects.toMatchObject({ code: 'not_found' });
    await expect(client.getRun({ runId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(client.stopRun({ runId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(
      client.submitRun({
        ...good,
        recipeJson: fleet.recipeJson
          .replace('train.jsonl","held', 'x","held')
          .replace('train.jsonl"}', 'missing.jsonl"}'),
      }),
    ).rejects.toThrow('missing.jsonl: there is no such file');

    await client.submitRun(good);
    await expect(client.submitRun(good)).rejects.toMatchObject({ code: 'already_exists' });
    await expect(client.submitRun({ ...good, runId: 'run-b', noQueue: true })).rejects.toThrow(
      'fleet default has 1 of at most 1 runs (run-a)',
    );
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    await expect(client.submitRun(good)).rejects.toMatchObject({ code: 'already_exists' });
    await expect(client.submitRun({ ...good, resume: true })).rejects.toThrow("run 'run-a' is finished");
    expect((await client.listRuns({})).runs.map((run) => run.runId)).toEqual(['run-a']);
  });

  it('P9: one that cannot be read is listed with the reason, and hides no other', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    await fleet.submit('run-b');
    await fleet.ended('run-b');
    const fact = { case: 'runStarted' as const, value: { recipeJson: '{"version": 9}', recipeHash: 'h', seed: 1n } };
    await publishMessage(
      fleet.nats,
      subjects.ledger('run-a'),
      LedgerEntrySchema,
      { runId: 'run-a', fact },
      { messageId: 'run-a:0' },
    );
    const { runs, unreadable } = await fleet.coordinator.client.listRuns({});
    expect(runs.map((run) => run.runId)).toEqual(['run-b']);
    expect(unreadable).toMatchObject([{ runId: 'run-a', reason: expect.stringMatching(/\w/) }]);
  });
});

describe('gates', () => {
  const gated = (gate: string, second = '') => `${recipe.replace('steps: 4', 'steps: 2')}    gate: ${gate}\n${second}`;
  const second = `
  - name: two
    limits: { context_tokens: 288, max_new_tokens: 48, tool_timeout_ms: 100, turn_timeout_ms: 200, rollout_timeout_ms: 1000 }
    deadlines: { group_ms: 20000, step_ms: 40000 }
    rewards: { exact_match: 1 }
    batch: { groups: 3, group_size: 4, max_generation_batches: 4 }
    until: { steps: 1 }
`;

  it('stop the run with what they saw', async () => {
    fleet = await startCoordinatorFleet({
      recipe: gated('{ metric: sampled.exact_match, at_least: 2, on_fail: stop }'),
    });
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    expect(end.state).toBe(RunState.FAILED);
    expect(end.message).toMatch(/^the gate of stage one did not open: sampled.exact_match [\d.]+, at least 2$/);
  });

  it('repeat the stage with new tasks, then stop', async () => {
    fleet = await startCoordinatorFleet({
      recipe: gated('{ metric: sampled.exact_match, at_least: 2, on_fail: repeat }'),
    });
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).message).toContain('repeated 1 times');
    const { stages, rollouts } = await fleet.summary('run-a');
    expect(stages.map((stage: { round: number; steps: number }) => [stage.round, stage.steps])).toEqual([
      [0, 2],
      [1, 2],
    ]);
    expect(rollouts).toMatchObject({ lost: 0, duplicated: 0 });
  });

  it('roll back to the policy that entered the stage, with steps and versions that go on', async () => {
    fleet = await startCoordinatorFleet({
      recipe: gated('{ metric: sampled.exact_match, at_least: 2, on_fail: roll_back }', second),
    });
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    expect(end.message).toBe('');
    expect(end.policyVersion).toBe(4n);
    expect(fleet.loaded.map(({ version }) => version)).toEqual([0, 1, 2, 3, 4]);
    expect(fleet.loaded[3]?.weightsPath).toMatch(/branches\/1\/model$/);
    expect(fleet.learner.opened.at(-1)).toMatchObject({ resume: false, modelPath: fleet.loaded[3]?.weightsPath });
    expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1, 2, 1]);
    const steps = (await fleet.metricsLines('run-a')).filter((line: { kind: string }) => line.kind === 'step');
    expect(steps.map((line: { step: number; version: number }) => [line.step, line.version])).toEqual([
      [1, 1],
      [2, 2],
      [3, 4],
    ]);
  });
});
