import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { readNumbers } from '../../services/stages/merge/models-under-test.ts';
import { readJson } from '../e2e/gradus-process.ts';
import { startCoordinatorFleet } from '../coordinator/fleet.ts';
import { createCoordinatorProcesses } from '../coordinator/process.ts';
import { until } from '../until.ts';

type Fleet = Awaited<ReturnType<typeof startCoordinatorFleet>>;
const processes = createCoordinatorProcesses();
let fleet: Fleet;
afterEach(async () => {
  processes.killAll();
  await fleet.stop();
});

/** The weights of the scripted learner are the number of its step. */
const recipe = `
name: test
seed: 3
model: { path: model }
data: { files: { train: train.jsonl, held_out: held-out.jsonl, corpus: corpus.jsonl } }
environment: { name: search }
fleet: { max_open_rollouts: 16 }
eval: { questions: 3, greedy: false }
checkpoints: { every_steps: 1 }
stages:
  - name: asked
    kind: eval
    limits: { context_tokens: 288, max_new_tokens: 48, tool_timeout_ms: 100, turn_timeout_ms: 200, rollout_timeout_ms: 1000 }
    rewards: { exact_match: 1 }
    prompts: { of: train, limit: 4 }
  - { name: first, kind: sft, rows: { stage: asked, at_least: 0 }, batch: 2, until: { steps: 2 } }
  - { name: second, kind: sft, rows: { stage: asked, at_least: 0 }, batch: 2, until: { steps: 4 } }
  - { name: soup, kind: merge, models: [{ stage: first }, { stage: second, weight: 3 }] }
  - { name: third, kind: sft, rows: { stage: asked, at_least: 0 }, batch: 2, until: { steps: 1 } }
`;
const numberIn = async (directory: string): Promise<unknown> => (await readNumbers(directory))['step']?.values;
const inRun = (...path: readonly string[]): string => join(fleet.directoryOf('run-a'), ...path);

/** What every run of the recipe comes to, disturbed or not. */
async function expectMerged(): Promise<void> {
  // Steps 2 and 6 of the learner: (2 + 3 x 6) / 4.
  expect(await numberIn(inRun('branches/1/model'))).toEqual([5]);
  expect([await numberIn(inRun('stages/first/weights')), await numberIn(inRun('stages/second/weights'))]).toEqual([
    [2],
    [6],
  ]);
  // Nobody names what the merge left, and the first branch of weights is the last one that there is.
  expect([existsSync(inRun('stages/soup/weights')), existsSync(inRun('branches/2'))]).toEqual([false, false]);
  expect(await readJson(inRun('stages/soup/merge.json'))).toMatchObject({
    models: [
      { of: 'stage first', weight: 1 },
      { of: 'stage second', weight: 3 },
    ],
  });
  const facts = (await fleet.ledger('run-a')).map(({ fact }) => fact);
  const left = facts.flatMap((fact) => (fact.case === 'artefactLeft' ? [fact.value.stage, fact.value.artefact] : []));
  expect(left).toEqual(['asked', 'rows', 'first', 'weights', 'second', 'weights']);
  expect(facts.filter((fact) => fact.case === 'stageFact')).toHaveLength(1);
}

it('merges what two stages learnt, and the learner goes on from that', async () => {
  fleet = await startCoordinatorFleet({ recipe });
  await fleet.submit('run-a');
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, message: '' });
  await expectMerged();
  // Six steps, the merge, and one step more.
  expect([...new Set(fleet.loaded.map(({ version }) => version))]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(fleet.loaded.find(({ version }) => version === 7)?.weightsPath).toBe(inRun('branches/1/model'));
  expect(fleet.learner.opened.at(-1)).toMatchObject({ modelPath: inRun('branches/1/model') });
  expect(fleet.learner.applied.at(-1)).toMatchObject({ step: 1, directory: inRun('branches/1') });
  const summary = await fleet.summary('run-a');
  expect(summary.stages.slice(3)).toMatchObject([
    { name: 'soup', kind: 'merge', finished: 'merged', eval: { before: { n: 3 }, after: { n: 3 } } },
    { name: 'third', kind: 'sft', steps: 1 },
  ]);
  expect(summary.rollouts).toMatchObject({ lost: 0, duplicated: 0 });
}, 120_000);

it.each([
  { where: 'before a run begins', path: 'stages/second/weights' },
  { where: 'once a run has begun', path: 'branches/1' },
])(
  'P1: a coordinator that is killed with SIGKILL $where to merge is followed by another one with the same',
  async ({ path }) => {
    fleet = await startCoordinatorFleet({ recipe });
    const leader = await processes.spawn(fleet, '--coordinator-id', 'first');
    await fleet.submit('run-a', leader.client);
    await until(() => existsSync(inRun(path)));
    leader.child.kill('SIGKILL');
    leader.client.close();
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, message: '' });
    await expectMerged();
  },
  120_000,
);
