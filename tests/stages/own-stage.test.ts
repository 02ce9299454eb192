import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { readJsonLines } from '../e2e/gradus-process.ts';
import { docBlocks } from '../fixtures/doc-blocks.ts';
import { startCoordinatorFleet } from '../coordinator/fleet.ts';
import { createCoordinatorProcesses } from '../coordinator/process.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const processes = createCoordinatorProcesses();
let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  processes.killAll();
  await fleet.stop();
});

const recipe = `
name: test
seed: 3
model: { path: model }
data: { files: { train: train.jsonl, held_out: held-out.jsonl, corpus: corpus.jsonl } }
environment: { name: search }
fleet: { max_open_rollouts: 16 }
eval: { questions: 2, greedy: false }
stages:
  - name: asked
    kind: eval
    limits: { context_tokens: 288, max_new_tokens: 48, tool_timeout_ms: 100, turn_timeout_ms: 200, rollout_timeout_ms: 1000 }
    rewards: { exact_match: 1 }
    samples: 2
  - name: chosen
    kind: own
    path: curate.ts
    options: { from: asked, between: [0.2, 0.8] }
    takes: [{ stage: asked, artefact: rows }]
`;

it('the page on stage kinds of your own: a run ends where the file throws, with file and line, and goes on when it is corrected', async () => {
  const directory = await temporaryDirectory('gradus-own-stage-');
  const file = join(directory, 'curate.ts');
  const right = docBlocks('how-to/own-stage-kind.md').get('curate.ts') ?? '';
  await writeFile(file, right.replace('context.leaveRows(kept)', 'context.leaveRows(kept.none.at(0))'));
  fleet = await startCoordinatorFleet({
    recipe,
    stageFiles: { 'chosen/kind': file },
    // Of every second row one of two samples is right, of the others both.
    worker: (task) => ({
      result: { reward: Number(task.sampleIndex === 0 || Number(task.row?.id.at(-1)) % 2 === 0) },
    }),
  });
  // Node loads the file, as it does for people; the test runner has a loader of its own.
  const { client } = await processes.spawn(fleet);
  await fleet.submit('run-a', client);
  expect(await fleet.ended('run-a', client)).toMatchObject({
    state: RunState.FAILED,
    message: expect.stringMatching(
      /stage chosen: .*curate\.ts threw TypeError: .* at .*curate\.ts:\d+:\d+; correct it, then resume/,
    ),
  });

  await writeFile(file, right);
  const resume = { runId: 'run-a', recipeJson: '', directory: fleet.directoryOf('run-a'), resume: true };
  await expect(client.submitRun(resume)).rejects.toThrow(/stages\/chosen\/kind/);
  await client.submitRun({ ...resume, acceptChanged: ['stages'] });
  expect(await fleet.ended('run-a', client)).toMatchObject({ state: RunState.FINISHED, message: '' });
  const rows = (stage: string) => readJsonLines(join(fleet.directoryOf('run-a'), 'stages', stage, 'rows.jsonl'));
  const asked = await rows('asked');
  const sometimes = asked.filter(({ tags }) => Object(tags).pass_rate === '0.5');
  expect([asked.length, sometimes.length]).toEqual([6, 3]);
  expect(await rows('chosen')).toEqual(sometimes);
  const summary = await fleet.summary('run-a');
  expect(summary.stages).toMatchObject([{ kind: 'eval' }, { kind: 'own', finished: 'curated' }]);
  expect(summary.rollouts).toMatchObject({ lost: 0, duplicated: 0 });
}, 120_000);
