import { afterEach, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { createWorkerStatuses } from '#platform/nats/worker-statuses.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { rewardOf } from './played-worker.ts';
import { until } from '../until.ts';

const recipe = `
name: test
seed: 3
model: { path: model }
data: { files: { train: train.jsonl, held_out: held-out.jsonl, corpus: corpus.jsonl } }
eval: { questions: 3, sampled: false }
fleet: { max_open_rollouts: 36 }
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 288, max_new_tokens: 48, tool_timeout_ms: 100, turn_timeout_ms: 200, rollout_timeout_ms: 1000 }
    deadlines: { group_ms: 8000, step_ms: 60000 }
    rewards: { exact_match: 1 }
    batch: { groups: 2, group_size: 4, max_generation_batches: 4 }
    groups: { on_deadline: retry, attempts: 20 }
    until: { steps: 1 }
`;

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  await fleet.stop();
});

const messageOf = async () => (await fleet.coordinator.client.getRun({ runId: 'run-a' })).message;
async function messageLike(pattern: RegExp): Promise<void> {
  let seen: string[] = [];
  await until(async () => {
    seen = [...seen.slice(-3), await messageOf()];
    return pattern.test(seen.at(-1) ?? '');
  }).catch((error: unknown) => {
    throw new Error(`the run says ${JSON.stringify(seen)}`, { cause: error });
  });
}
const overdueOf = async (what: string) => {
  const line = `gradus_waits_overdue_total{component="coordinator",what="${what}"} `;
  const rendered = await fleet.coordinator.metrics.render();
  return Number(
    rendered
      .split('\n')
      .find((text) => text.startsWith(line))
      ?.slice(line.length),
  );
};

describe('a run that waits for too long', () => {
  it('P1, P3: says that no worker is alive, and goes on when one joins', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    await fleet.pauseWorker();
    await fleet.submit('run-a');
    await messageLike(/^waiting \d+ s for 3 samples: no worker is alive/);
    expect(await overdueOf('worker')).toBe(1);
    fleet.resumeWorker();
    const end = await fleet.ended('run-a');
    expect(end).toMatchObject({ state: RunState.FINISHED, message: '' });
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, duplicated: 0, failedInfra: 0 });
  });

  it('P3: names the group, its missing samples and the worker that holds them, until they are there', async () => {
    const held = new Set<string>();
    let hold = true;
    fleet = await startCoordinatorFleet({
      recipe,
      worker: (task) => {
        if (task.purpose !== Purpose.TRAIN || !hold) return { result: { reward: rewardOf(task) } };
        if (held.size === 0) held.add(task.taskId);
        return held.has(task.taskId) ? { copies: 0 } : { result: { reward: rewardOf(task) } };
      },
    });
    const statuses = createWorkerStatuses(fleet.nats);
    await fleet.submit('run-a');
    await until(() => held.size > 0);
    const [taskId = ''] = held;
    await statuses.put({
      workerId: 'rollout-1',
      held: 1,
      waits: [{ what: 'tool', taskId: 'another', waitedMs: 90_000n }],
    });
    const waits = [{ what: 'policy.generate', taskId, detail: 'turn 3', waitedMs: 40_000n }];
    await statuses.put({ workerId: 'rollout-2', held: 1, waits });
    const groupId = fleet.seen.find((task) => task.taskId === taskId)?.groupId ?? '';
    await messageLike(
      new RegExp(
        `^waiting \\d+ s for 1 of 4 samples of group ${groupId.slice(0, 8)}: rollout-2 is in policy.generate \\(turn 3\\) for 40 s$`,
      ),
    );
    expect(await overdueOf('group')).toBe(1);
    hold = false;
    const end = await fleet.ended('run-a');
    expect(end).toMatchObject({ state: RunState.FINISHED, message: '' });
  });

  it('P3: names the learner and the step', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    const slow = Promise.withResolvers<void>();
    fleet.learner.beforeStep = () => slow.promise;
    const { client } = await fleet.addCoordinator({ fleetId: 'impatient', trainTimeoutMs: 6_000 });
    await fleet.submit('run-a', client);
    await messageLike(/waiting \d+ s for the learner to train step 1$/);
    slow.resolve();
    expect((await fleet.ended('run-a', client)).state).toBe(RunState.FINISHED);
  });
});
