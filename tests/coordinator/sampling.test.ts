import { afterEach, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { recipeWith } from '../stages/one-stage-run.ts';
import { isTraining } from './played-worker.ts';
import type { Worker } from './played-worker.ts';
import { courseOf } from './run-course.ts';

type Fleet = Awaited<ReturnType<typeof startCoordinatorFleet>>;
let fleet: Fleet;
afterEach(async () => {
  await fleet.stop();
});

const sampledBy = (sampling: string, staleness = 0, steps = 6) =>
  `${recipeWith(staleness, { until: `{ steps: ${steps} }` })}    prompts: { sampling: ${sampling} }\n`;
const curriculum = '{ kind: curriculum, tag: hops, advance_at: 0.45, ahead: 0.3, rehearsal: 0.2, newest_weight: 1 }';

/** By the row and the sample alone: half of the samples of two and three hops are right, a quarter of four. */
const byHops: Worker = ({ row, sampleIndex }) => {
  const right = row?.tags['hops'] === '4' ? sampleIndex === 0 : sampleIndex < 2;
  return { result: { reward: right ? 1 : 0 } };
};

async function askedOf(runId: string): Promise<{ step: number; row: string; hops: string }[]> {
  return (await fleet.ledger(runId)).flatMap(({ fact }) =>
    fact.case === 'groupOpened' && fact.value.purpose === Purpose.TRAIN
      ? [{ step: fact.value.step, row: fact.value.questionId, hops: fact.value.questionId.slice(0, 1) }]
      : [],
  );
}

async function run(recipe: string, worker: Worker) {
  fleet = await startCoordinatorFleet({ recipe, worker });
  await fleet.submit('run-a');
  const end = await fleet.ended('run-a');
  expect(end).toMatchObject({ state: RunState.FINISHED, message: '' });
}

describe('prompts by a curriculum', () => {
  it('go from one value of the tag to the next as the policy learns, and the metrics say so', async () => {
    await run(sampledBy(curriculum.replace('ahead: 0.3', 'ahead: 0')), byHops);
    const lines = (await fleet.metricsLines('run-a')).filter(({ kind }: { kind: string }) => kind === 'step');
    const weights = (step: number) => [2, 3, 4].map((hops) => lines[step][`prompts/weight/hops=${hops}`]);
    expect(weights(0)).toEqual([1, 0, 0]);
    // Two hops are at 0.5 after the first step, three after the second.
    expect(weights(1)).toEqual([0.2, 0.8, 0]);
    expect(lines[1]['prompts/rate/hops=2']).toBe(0.5);
    expect(weights(2)).toEqual([0.1, 0.1, 0.8].map((weight) => expect.closeTo(weight, 12)));
    expect(weights(5)).toEqual(weights(2));
    expect((await askedOf('run-a')).filter(({ step, hops }) => step < 2 && hops === '4')).toEqual([]);
    expect((await askedOf('run-a')).filter(({ hops }) => hops === '4').length).toBeGreaterThan(2);
    const { stages } = await fleet.summary('run-a');
    expect(stages[0].prompts).toMatchObject({ rows: 40, 'rate/hops=3': 0.5, 'rate/hops=4': 0.25 });
    expect(stages[0].warnings).toEqual([]);
  });

  it('P9: the summary names values that were never asked', async () => {
    const hard: Worker = ({ sampleIndex }) => ({ result: { reward: sampleIndex === 0 ? 1 : 0 } });
    await run(sampledBy(curriculum, 0, 2), hard);
    const { stages } = await fleet.summary('run-a');
    expect(stages[0].warnings).toEqual([
      expect.stringMatching(/rows with hops 4 were never asked: rates are .*2 0\.25/),
    ]);
  });

  it('a tag that no row has is refused before anything is asked', async () => {
    fleet = await startCoordinatorFleet({ recipe: sampledBy('{ kind: curriculum, tag: level }') });
    await expect(fleet.submit('run-a')).rejects.toThrow(
      /stage one: prompts\.sampling\.tag: none of its 40 rows has a tag level/,
    );
    expect(fleet.seen).toEqual([]);
  });
});

describe('prompts by difficulty', () => {
  it('leave rows alone that the policy always or never solves, once that is known', async () => {
    // Rows of two hops are always solved, of four never.
    const worker: Worker = ({ row, sampleIndex }) => {
      const hops = row?.tags['hops'];
      return { result: { reward: hops === '3' ? sampleIndex % 2 : hops === '2' ? 1 : 0 } };
    };
    await run(sampledBy('{ kind: difficulty, band: [0.2, 0.8], outside: 0, newest_weight: 1 }', 0, 8), worker);
    const asked = await askedOf('run-a');
    const counts = new Map<string, number>();
    for (const { row } of asked) counts.set(row, (counts.get(row) ?? 0) + 1);
    // Without a weight outside the band each of them is asked at most once.
    for (const [row, count] of counts) if (!row.startsWith('3')) expect([row, count]).toEqual([row, 1]);
    expect([...counts].some(([row, count]) => row.startsWith('3') && count > 1)).toBe(true);
    const last = (await fleet.metricsLines('run-a')).findLast(({ kind }: { kind: string }) => kind === 'step');
    expect(
      last['prompts/in_band'] + last['prompts/too_hard'] + last['prompts/too_easy'] + last['prompts/no_rate'],
    ).toBe(40);
    expect(last['prompts/too_easy']).toBe(last['prompts/rate/0.9']);
  });
});

describe('P8: what is asked', () => {
  const recipe = sampledBy(curriculum, 2);
  const opened = (course: unknown[]) =>
    course.filter((entry) => Array.isArray(entry) && entry[0] === 'groupOpened' && Number(entry[1]) >= 0);
  const byStep = (course: unknown[]) =>
    opened(course)
      .map((entry) => JSON.stringify(entry))
      .toSorted();

  it('depends on the recorded rates alone: neither on the order of answers, nor on a stop in the middle', async () => {
    await run(recipe, byHops);
    const plain = byStep(await courseOf(fleet, 'run-a'));
    expect(new Set((await askedOf('run-a')).map(({ hops }) => hops))).toEqual(new Set(['2', '3', '4']));
    await fleet.stop();

    await run(recipe, (task, version) => ({
      ...byHops(task, version),
      delay: Number.parseInt(task.taskId.slice(8, 10), 16) % 9,
    }));
    expect(byStep(await courseOf(fleet, 'run-a'))).toEqual(plain);
    await fleet.stop();

    fleet = await startCoordinatorFleet({ recipe });
    let stopping: Promise<unknown> | undefined;
    const client = fleet.coordinator.client;
    let trained = 0;
    fleet.setWorker((task, version) => {
      if (isTraining(task)) trained += 1;
      if (trained > 40) stopping ??= client.stopRun({ runId: 'run-a', now: true });
      return byHops(task, version);
    });
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.STOPPED);
    await stopping;
    await fleet.submit('run-a', client, true);
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    expect(byStep(await courseOf(fleet, 'run-a'))).toEqual(plain);
  });
});
