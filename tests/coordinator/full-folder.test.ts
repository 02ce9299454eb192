import { execFile } from 'node:child_process';
import { mkdir, open, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { fourSteps } from '../stages/one-stage-run.ts';
import { rewardOf } from './played-worker.ts';
import { until } from '../until.ts';

const run = promisify(execFile);
const pageBytes = 4096;

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
let mounted: string | undefined;
afterEach(async () => {
  // The run holds files open there.
  if (mounted !== undefined) await run('umount', ['--lazy', mounted]);
  mounted = undefined;
  await fleet.stop();
});

/** A disk of 256 KiB; false where nobody may mount one. */
async function mountAt(folder: string): Promise<boolean> {
  await mkdir(folder, { recursive: true });
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=256k,nr_inodes=256', 'tmpfs', folder]);
  } catch {
    return false;
  }
  mounted = folder;
  return true;
}

/** Takes all the room but so many pages. */
async function fill(path: string, leftPages: number): Promise<void> {
  let size = 0;
  await using file = await open(path, 'w');
  try {
    for (;;) size += (await file.write(Buffer.alloc(pageBytes))).bytesWritten;
  } catch {
    // Full.
  }
  await truncate(path, size - leftPages * pageBytes);
}

/** A run that waits for room for what it writes of its first evaluation; undefined where no disk can be mounted. */
async function waitingForRoom(): Promise<string | undefined> {
  fleet = await startCoordinatorFleet({ recipe: fourSteps });
  const folder = fleet.directoryOf('run-a');
  if (!(await mountAt(folder))) return undefined;
  let held = 0;
  fleet.setWorker(() => {
    held += 1;
    return { keep: true };
  });
  await fleet.submit('run-a');
  await until(() => held > 0);
  const filler = join(folder, 'filler');
  // Enough for the line of the evaluation in metrics.jsonl.
  await fill(filler, 1);
  fleet.setWorker((task) => ({ result: { reward: rewardOf(task) } }));
  await fleet.handBack();
  const { client } = fleet.coordinator;
  await until(async () =>
    (await client.getRun({ runId: 'run-a' })).message.startsWith(`waiting for room in ${folder}`),
  );
  return filler;
}

it('P10: a run whose folder is full when its summary is written waits for room, says so, and goes on', async ({
  skip,
}) => {
  const filler = await waitingForRoom();
  if (filler === undefined) return skip('a file system can be mounted by root only');
  expect((await fleet.ledger('run-a')).filter(({ fact }) => fact.case === 'evalFinished')).toHaveLength(1);
  await rm(filler);
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 4, message: '' });
  expect((await fleet.summary('run-a')).state).toBe('finished');
});

it('P10: a run that waits for room ends when it is asked to stop after its step, and goes on once there is room', async ({
  skip,
}) => {
  const filler = await waitingForRoom();
  if (filler === undefined) return skip('a file system can be mounted by root only');
  const { client } = fleet.coordinator;
  await client.stopRun({ runId: 'run-a', noWait: true });
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.STOPPED, step: 0 });
  await rm(filler);
  await client.submitRun({ runId: 'run-a', recipeJson: '', directory: fleet.directoryOf('run-a'), resume: true });
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 4 });
  expect((await fleet.ledger('run-a')).filter(({ fact }) => fact.case === 'stopRequested')).toHaveLength(1);
  expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, duplicated: 0 });
});
