import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { startCoordinatorFleet } from '../coordinator/fleet.ts';
import { readJsonLines } from '../e2e/gradus-process.ts';

type Fleet = Awaited<ReturnType<typeof startCoordinatorFleet>>;
let fleet: Fleet;
afterEach(async () => {
  await fleet.stop();
});

const recipe = `
name: test
seed: 3
model: { path: model }
data: { files: { train: train.jsonl, held_out: held-out.jsonl, corpus: corpus.jsonl } }
environment: { name: search }
fleet: { max_open_rollouts: 4 }
stages:
  - name: asked
    kind: eval
    limits: { context_tokens: 288, max_new_tokens: 48, tool_timeout_ms: 100, turn_timeout_ms: 200, rollout_timeout_ms: 1000 }
    rewards: { exact_match: 1 }
    samples: 2
    groups: { attempts: 2 }
`;
const withoutLearner = { recipe, config: { learner: undefined } };

it('asks every held-out row, changes nothing and needs no learner', async () => {
  fleet = await startCoordinatorFleet(withoutLearner);
  fleet.setWorker((task) =>
    task.row?.id.endsWith('_0') === true && task.sampleIndex === 0
      ? { result: { failure: FailureClass.POLICY_UNAVAILABLE } }
      : { result: { reward: task.sampleIndex, prediction: 'x' } },
  );
  await fleet.submit('run-a');
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 0 });
  expect(fleet.learner.applied).toEqual([]);
  expect(fleet.seen.every(({ purpose }) => purpose === Purpose.EVAL)).toBe(true);

  const folder = join(fleet.directoryOf('run-a'), 'stages', 'asked');
  const lines = await readJsonLines(join(folder, 'predictions.jsonl'));
  expect(lines).toHaveLength(12);
  // P2: absent with its reason, not wrong.
  expect(lines.filter(({ absent }) => absent !== null)).toMatchObject([
    { absent: 'policy_unavailable', reward: null, components: {} },
  ]);
  const report = JSON.parse(await readFile(join(folder, 'summary.json'), 'utf8'));
  expect(report.rollouts).toEqual({ asked: 12, n: 11, absent: 1 });
  // Five rows with one of two right, and one with one of one.
  expect(report.metrics['avg@2'].value).toBeCloseTo((5 * 0.5 + 1) / 6, 10);
  expect(report.metrics['pass@2']).toMatchObject({ value: 1, rows: 5, interval: 'wilson' });
  const rows = await readJsonLines(join(folder, 'rows.jsonl'));
  expect(rows).toHaveLength(6);
  for (const { id, data, gold, tags } of rows) {
    expect(tags).toMatchObject({ pass_rate: String(id).endsWith('_0') ? '1' : '0.5' });
    expect([data, gold]).toMatchObject([{ question: expect.any(String) }, { answers: expect.any(Array) }]);
  }
  const left = (await fleet.ledger('run-a')).flatMap(({ fact }) => (fact.case === 'artefactLeft' ? fact.value : []));
  expect(left).toMatchObject([{ stage: 'asked', artefact: 'rows', digest: expect.stringMatching(/^[0-9a-f]{64}$/) }]);
  const summary = await fleet.summary('run-a');
  expect(summary.stages).toMatchObject([{ name: 'asked', kind: 'eval', finished: 'evaluated' }]);
  const { value, low, high } = report.metrics['avg@2'];
  expect(summary.stages[0]?.evalDetail['after']?.sampled?.overSamples).toEqual({
    'avg@2': { value, low, high },
    'pass@1': expect.objectContaining({ value: expect.closeTo(value, 10) }),
    'pass@2': expect.objectContaining({ value: 1 }),
  });
  expect(summary.rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0, failedInfra: 1 });
}, 120_000);

it('P1, P8: goes on where it was stopped, asks nothing twice, and gives the predictions of one that was not', async () => {
  fleet = await startCoordinatorFleet(withoutLearner);
  const { client } = fleet.coordinator;
  let stopping: Promise<unknown> | undefined;
  const answer = { result: { reward: 1, prediction: 'x' } };
  let answered = 0;
  fleet.setWorker(() => {
    answered += 1;
    if (answered > 5) stopping ??= client.stopRun({ runId: 'run-a', now: true });
    return stopping === undefined ? answer : { ...answer, delay: 100_000 };
  });
  await fleet.submit('run-a');
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.STOPPED });
  await stopping;
  fleet.setWorker(() => answer);
  await fleet.submit('run-a', client, true);
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED });
  expect((await fleet.summary('run-a')).rollouts).toMatchObject({
    published: 12,
    completed: 12,
    lost: 0,
    duplicated: 0,
  });

  await fleet.submit('run-b');
  await fleet.ended('run-b');
  const of = (run: string) => readFile(join(fleet.directoryOf(run), 'stages', 'asked', 'predictions.jsonl'), 'utf8');
  expect(await of('run-a')).toBe(await of('run-b'));
}, 120_000);

it.each([
  ['pass@2', RunState.FINISHED],
  ['avg@2', RunState.FAILED],
])(
  'a gate may go by %s',
  async (metric, life) => {
    const gated = `${recipe}    gate: { metric: sampled.${metric}, at_least: 0.6, on_fail: stop }\n`;
    fleet = await startCoordinatorFleet({ ...withoutLearner, recipe: gated });
    // One of two samples of each row is right.
    fleet.setWorker((task) => ({ result: { reward: task.sampleIndex, prediction: 'x' } }));
    await fleet.submit('run-a');
    const ended = await fleet.ended('run-a');
    expect(ended).toMatchObject({ state: life });
    if (life === RunState.FAILED) expect(ended.message).toContain('sampled.avg@2');
  },
  120_000,
);

it('is paired row by row with an earlier one, and the summary of the run says so', async () => {
  const again = recipe.slice(recipe.indexOf('  - name: asked')).replace('name: asked', 'name: again');
  fleet = await startCoordinatorFleet({ ...withoutLearner, recipe: `${recipe}${again}    against: asked\n` });
  // One of two samples of each row is right first, then both.
  fleet.setWorker((task) => ({ result: { reward: task.stage === 'again' ? 1 : task.sampleIndex, prediction: 'x' } }));
  await fleet.submit('run-a');
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED });
  const report = await readFile(join(fleet.directoryOf('run-a'), 'stages', 'again', 'summary.json'), 'utf8');
  expect(JSON.parse(report).paired).toMatchObject({
    against: 'asked',
    rows: 6,
    better: 6,
    worse: 0,
    unpaired: 0,
    difference: 0.5,
    p: expect.closeTo(1 / 32, 12),
  });
  expect((await fleet.summary('run-a')).stages).toMatchObject([
    { name: 'asked' },
    { name: 'again', paired: { against: 'asked', better: 6, worse: 0, p: expect.closeTo(1 / 32, 12) } },
  ]);
}, 120_000);

it('P2: fails when nothing came back, instead of reporting a 0', async () => {
  fleet = await startCoordinatorFleet(withoutLearner);
  fleet.setWorker(() => ({ result: { failure: FailureClass.POLICY_UNAVAILABLE } }));
  await fleet.submit('run-a');
  expect(await fleet.ended('run-a')).toMatchObject({
    state: RunState.FAILED,
    message: expect.stringContaining('none of its 12 rollouts came back (12 policy_unavailable)'),
  });
}, 120_000);
