import { afterEach, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { startCoordinatorFleet } from '../coordinator/fleet.ts';
import { rewardOf } from '../coordinator/played-worker.ts';

type Fleet = Awaited<ReturnType<typeof startCoordinatorFleet>>;
let fleet: Fleet;
afterEach(async () => {
  await fleet.stop();
});

const limits =
  '{ context_tokens: 288, max_new_tokens: 48, tool_timeout_ms: 100, turn_timeout_ms: 200, rollout_timeout_ms: 1000 }';
const recipe = `
name: test
seed: 3
model: { path: model }
data: { files: { train: train.jsonl, held_out: held-out.jsonl, corpus: corpus.jsonl } }
environment: { name: search }
fleet: { max_open_rollouts: 16 }
eval: { questions: 3, greedy: false }
checkpoints: { every_steps: 2 }
stages:
  - name: asked
    kind: eval
    limits: ${limits}
    rewards: { exact_match: 1 }
    prompts: { of: train, limit: 8 }
    samples: 2
  - name: taught
    kind: sft
    rows: { stage: asked, at_least: 1 }
    batch: 3
    learning_rate: 0.01
    until: { steps: 3 }
`;

/** Each trajectory says whose it is. */
async function start() {
  fleet = await startCoordinatorFleet({
    recipe,
    worker: (task) => ({
      result: { reward: rewardOf(task), rewards: { exact_match: rewardOf(task) } },
      payload: Buffer.from(task.taskId),
    }),
  });
}

it('P4: learns the right rollouts of an earlier stage, and is evaluated before and after as that stage is', async () => {
  await start();
  await fleet.submit('run-a');
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, message: '' });
  const asked = fleet.seen.filter(({ stage }) => stage === 'asked');
  const right = new Set(asked.filter((task) => rewardOf(task) === 1).map(({ taskId }) => taskId));
  expect(right.size).toBeGreaterThan(0);
  expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1, 2, 3]);
  for (const { header, payloads } of fleet.learner.applied) {
    expect(header.objective?.name).toBe('supervised');
    expect(payloads).toHaveLength(3);
    for (const payload of payloads) expect(right.has(payload)).toBe(true);
  }
  expect(fleet.loaded.map(({ version }) => version)).toEqual([0, 1, 2, 3]);
  const summary = await fleet.summary('run-a');
  expect(summary.stages).toMatchObject([
    { name: 'asked', kind: 'eval' },
    {
      name: 'taught',
      kind: 'sft',
      steps: 3,
      finished: 'steps',
      contextTokens: 288,
      eval: { before: { n: 3 }, after: { n: 3 } },
    },
  ]);
  expect(summary.rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0 });
  const lines = (await fleet.metricsLines('run-a')).filter((line: { kind: string }) => line.kind === 'step');
  expect(lines).toMatchObject([1, 2, 3].map((step) => ({ stage: 'taught', step, loss: 0.5 })));
}, 120_000);

it('P1, P8: a learner that dies in a step is sent the same batches again, and each counts once', async () => {
  await start();
  fleet.learner.beforeStep = async (step) => {
    if (step !== 3) return;
    fleet.learner.beforeStep = async () => {};
    fleet.learner.crash();
  };
  await fleet.submit('run-a');
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED });
  const disturbed = new Map(fleet.learner.applied.map(({ step, payloads }) => [step, payloads]));
  await fleet.stop();
  await start();
  await fleet.submit('run-a');
  await fleet.ended('run-a');
  expect([...disturbed]).toEqual(fleet.learner.applied.map(({ step, payloads }) => [step, payloads]));
}, 120_000);

it('P9: says so when the earlier stage has nothing to learn from', async () => {
  fleet = await startCoordinatorFleet({
    recipe,
    worker: () => ({ result: { reward: 0, rewards: { exact_match: 0 } } }),
  });
  await fleet.submit('run-a');
  expect(await fleet.ended('run-a')).toMatchObject({
    state: RunState.FAILED,
    message: expect.stringContaining('stage taught: none of the 16 rollouts of stage asked has a reward of at least 1'),
  });
}, 120_000);
