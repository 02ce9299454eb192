import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { createGrpcClient } from '#shared/grpc/client.ts';
import { rewardOf, startCoordinatorFleet } from './coordinator-fleet.ts';

const recipe = `
name: test
seed: 3
model: { path: model }
data: { files: { train: train.jsonl, held_out: held-out.jsonl, corpus: corpus.jsonl } }
eval: { questions: 6 }
checkpoints: { every_steps: 2 }
fleet: { max_open_rollouts: 16 }
stages:
  - name: one
    limits: { context_tokens: 288, max_new_tokens: 48, tool_timeout_ms: 100, turn_timeout_ms: 200, rollout_timeout_ms: 1000 }
    deadlines: { group_ms: 20000, step_ms: 40000 }
    rewards: { exact_match: 1 }
    batch: { groups: 3, group_size: 4, max_generation_batches: 4 }
    until: { steps: 4 }
`;

type Fleet = Awaited<ReturnType<typeof startCoordinatorFleet>>;
let fleet: Fleet;
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await fleet.stop();
});

/** A coordinator as its own process, to be killed. */
async function spawnCoordinator() {
  const flags = ['--nats-url', fleet.natsUrl(), '--policy', fleet.policyAddress, '--learner', fleet.learner.address];
  const child = spawn('node_modules/.bin/node', ['services/coordinator/main.ts', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, GRADUS_LOG_LEVEL: 'fatal' },
  });
  children.push(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const { grpc } = JSON.parse(line);
    return { child, client: createGrpcClient(CoordinatorService, grpc, { timeoutMs: 30_000 }) };
  }
  throw new Error('the coordinator ended before it served');
}

const until = async (holds: () => boolean | Promise<boolean>) => {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('it did not come to that within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

/** What a run decided, without times. */
async function accountOf(runId: string) {
  return (await fleet.ledger(runId)).flatMap(({ fact }): object[] => {
    if (fact.case === 'stepFormed')
      return [
        {
          step: fact.value.step,
          samples: fact.value.samples.map(({ taskId, reward, advantage }) => ({ taskId, reward, advantage })),
        },
      ];
    if (fact.case === 'evalFinished') {
      const { 'time/eval': _time, ...metrics } = fact.value.metrics;
      return [{ evaluation: fact.value.name, metrics }];
    }
    return [];
  });
}

async function undisturbed() {
  const other = await startCoordinatorFleet({ recipe });
  await other.submit('run-a');
  await other.ended('run-a');
  const own = fleet;
  fleet = other;
  const account = await accountOf('run-a');
  fleet = own;
  await other.stop();
  return account;
}

describe('a coordinator that is killed', () => {
  it.each([
    { where: 'in an evaluation', tasks: 7 },
    { where: 'in the rollouts of a step', tasks: 30 },
    { where: 'later', tasks: 50 },
  ])(
    'P1, P8: goes on, killed $where, with the same tasks, and ends as if nothing had happened',
    async ({ tasks }) => {
      fleet = await startCoordinatorFleet({ recipe });
      const wanted = await undisturbed();
      const first = await spawnCoordinator();
      let killed = false;
      fleet.setWorker((task) => {
        if (fleet.seen.length >= tasks && !killed) {
          killed = true;
          first.child.kill('SIGKILL');
        }
        return { result: { reward: rewardOf(task) } };
      });
      await fleet.submit('run-a', first.client);
      await until(() => killed);
      first.client.close();

      const second = await spawnCoordinator();
      expect((await second.client.getRun({ runId: 'run-a' })).message).toBe('interrupted; it can be resumed');
      await fleet.submit('run-a', second.client, true);
      const end = await fleet.ended('run-a', second.client);
      second.client.close();
      expect(end.message).toBe('');
      expect(end.state).toBe(RunState.FINISHED);
      expect(await accountOf('run-a')).toEqual(wanted);
      const { rollouts } = await fleet.summary('run-a');
      expect(rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0, failedInfra: 0 });
      expect(rollouts.published).toBe(rollouts.completed);
      // Open groups were completed, not generated again.
      expect(new Set(fleet.seen.map((task) => `${task.taskId}:${task.attempt}`)).size).toBe(fleet.seen.length);
      const lines = await fleet.metricsLines('run-a');
      expect(
        lines.filter((line: { kind: string }) => line.kind === 'step').map((line: { step: number }) => line.step),
      ).toEqual([1, 2, 3, 4]);
    },
    60_000,
  );

  it('P1: between the learner and the commit, does not have the step applied twice', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    const first = await spawnCoordinator();
    let killed = false;
    fleet.learner.beforeStep = async (step) => {
      if (step !== 3 || killed) return;
      killed = true;
      first.child.kill('SIGKILL');
    };
    await fleet.submit('run-a', first.client);
    await until(() => killed);
    first.client.close();
    const second = await spawnCoordinator();
    await fleet.submit('run-a', second.client, true);
    expect((await fleet.ended('run-a', second.client)).state).toBe(RunState.FINISHED);
    second.client.close();
    expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, duplicated: 0 });
  }, 60_000);
});

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
    expect(await accountOf('run-a')).toEqual(await undisturbed());
  }, 60_000);

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
  }, 60_000);
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
    ).rejects.toThrow('missing.jsonl: no such file');

    await client.submitRun(good);
    await expect(client.submitRun(good)).rejects.toMatchObject({ code: 'already_exists' });
    await expect(client.submitRun({ ...good, runId: 'run-b' })).rejects.toThrow('drives 1 of at most 1 runs (run-a)');
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    await expect(client.submitRun(good)).rejects.toMatchObject({ code: 'already_exists' });
    await expect(client.submitRun({ ...good, resume: true })).rejects.toThrow("run 'run-a' is finished");
    expect((await client.listRuns({})).runs.map((run) => run.runId)).toEqual(['run-a']);
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
    fleet = await startCoordinatorFleet({ recipe: gated('{ metric: sampled.em, at_least: 2, on_fail: stop }') });
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    expect(end.state).toBe(RunState.FAILED);
    expect(end.message).toMatch(/^the gate of stage one did not open: sampled.em [\d.]+, at least 2$/);
  });

  it('repeat the stage with new tasks, then stop', async () => {
    fleet = await startCoordinatorFleet({ recipe: gated('{ metric: sampled.em, at_least: 2, on_fail: repeat }') });
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
      recipe: gated('{ metric: sampled.em, at_least: 2, on_fail: roll_back }', second),
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
