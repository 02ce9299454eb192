import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { recipeWith } from '../stages/one-stage-run.ts';
import { isTraining } from './played-worker.ts';
import type { Worker } from './played-worker.ts';

type Fleet = Awaited<ReturnType<typeof startCoordinatorFleet>>;
let fleet: Fleet;
afterEach(async () => {
  await fleet.stop();
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gradus-rows-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function fileOf(rows: string): Promise<Record<string, string>> {
  const path = join(folder, 'own.jsonl');
  await writeFile(path, rows);
  return { 'one/prompts': path };
}

const ownRows = Array.from({ length: 5 }, (_, index) =>
  JSON.stringify({
    id: `own-${index}`,
    data: { question: `What is ${index}?` },
    gold: { answers: [`answer ${index}`] },
    tags: { level: index },
  }),
).join('\n');

const trainedOn = (seen: readonly RolloutTask[], stage: string) =>
  [...new Set(seen.filter((task) => isTraining(task) && task.stage === stage).map(({ row }) => row?.id ?? ''))].sort();

describe('a stage with rows of its own', () => {
  const recipe = `${recipeWith(0, { until: '{ steps: 2 }' })}    prompts: { rows: { path: own.jsonl }, where: { level: { at_least: 2 } } }
`;

  it('asks them, and those alone, whole from file to scorer', async () => {
    fleet = await startCoordinatorFleet({
      recipe,
      stageFiles: await fileOf(ownRows),
      worker: ({ sampleIndex }) => ({ result: { reward: sampleIndex % 2 } }),
    });
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, message: '' });
    expect(trainedOn(fleet.seen, 'one')).toEqual(['own-2', 'own-3', 'own-4']);
    const row = fleet.seen.find((task) => task.row?.id === 'own-3')?.row;
    expect(row).toMatchObject({ dataJson: '{"question":"What is 3?"}', tags: { level: '3' } });
    expect(JSON.parse(row?.goldJson ?? '')).toMatchObject({ answers: ['answer 3'] });
  });

  it('is refused before anything is asked where a row lacks what the environment takes', async () => {
    const torn = ownRows.replace('"data":{"question":"What is 2?"}', '"data":{"ask":"What is 2?"}');
    fleet = await startCoordinatorFleet({ recipe, stageFiles: await fileOf(torn) });
    await expect(fleet.submit('run-a')).rejects.toThrow(/own\.jsonl:3: row own-2: data\.question: is missing/);
    expect(fleet.seen).toEqual([]);
  });
});

describe('a stage whose rows an earlier stage left', () => {
  const [head = '', stage = ''] = recipeWith(0, { until: '{ steps: 2 }' }).split('  - name: one\n');
  const recipe = `${head}  - name: look
    kind: eval
    limits: { context_tokens: 288, max_new_tokens: 48, tool_timeout_ms: 100, turn_timeout_ms: 200, rollout_timeout_ms: 1000 }
    rewards: { exact_match: 1 }
    prompts: { of: train }
    samples: 4
  - name: one
${stage}    prompts: { rows: { stage: look }, where: { pass_rate: { at_least: 0.25, at_most: 0.75 } } }
`;
  /** Two hops are always right, three half of the time, four never. */
  const worker: Worker = ({ row, sampleIndex }) => {
    const hops = row?.tags['hops'];
    return { result: { reward: hops === '2' ? 1 : hops === '3' ? sampleIndex % 2 : 0 } };
  };

  it('asks those of them that it wants, by the pass rate that the evaluation found', async () => {
    fleet = await startCoordinatorFleet({ recipe, worker });
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, message: '' });
    const asked = trainedOn(fleet.seen, 'one');
    expect(asked.length).toBeGreaterThan(4);
    expect(asked.filter((id) => !id.startsWith('3hop'))).toEqual([]);
  });

  it('refuses rows that are no longer what was left', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    const { client } = fleet.coordinator;
    let stopping: Promise<unknown> | undefined;
    fleet.setWorker((task, version) => {
      if (isTraining(task)) stopping ??= client.stopRun({ runId: 'run-a', now: true });
      return worker(task, version);
    });
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.STOPPED);
    await stopping;
    const left = join(fleet.directoryOf('run-a'), 'stages', 'look', 'rows.jsonl');
    await writeFile(left, (await readFile(left, 'utf8')).replaceAll('"0.5"', '"0.1"'));
    await fleet.submit('run-a', client, true);
    expect(await fleet.ended('run-a')).toMatchObject({
      state: RunState.FAILED,
      message: expect.stringMatching(/rows\.jsonl: stage look left it with digest .*, found/),
    });
  });
});
