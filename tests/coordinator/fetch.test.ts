import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { createCoordinators } from '../../services/cli/run/coordinators.ts';
import { fetchFile } from '../../services/cli/server/fetch-file.ts';
import { fourSteps as recipe } from '../stages/one-stage-run.ts';
import { startCoordinatorFleet } from './fleet.ts';

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  await fleet.stop();
});
const { signal } = new AbortController();

async function finishedRun(): Promise<string> {
  fleet = await startCoordinatorFleet({ recipe });
  await fleet.submit('run-a');
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED });
  return fleet.directoryOf('run-a');
}
const read = async (path: string, offset: bigint) => {
  const pieces: Uint8Array[] = [];
  let digest = '';
  for await (const piece of fleet.coordinator.client.readRunFile({ runId: 'run-a', path, offset })) {
    pieces.push(piece.data);
    ({ digest } = piece);
  }
  return { bytes: Buffer.concat(pieces), digest };
};

test('P9: what a run leaves is listed by path and size, read from any offset, and comes with the digest of the whole', async () => {
  const directory = await finishedRun();
  await mkdir(join(directory, 'final', 'deep'), { recursive: true });
  const weights = Buffer.alloc(700_001, 'weights ');
  await writeFile(join(directory, 'final', 'deep', 'model.safetensors'), weights);
  await symlink('/etc/passwd', join(directory, 'final', 'link'));
  const { files } = await fleet.coordinator.client.listRunFiles({ runId: 'run-a' });
  const paths = files.map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(['recipe.json', 'metrics.jsonl', 'summary.json']));
  expect(paths).not.toContain('final/link');
  const path = 'final/deep/model.safetensors';
  expect(files.find((file) => file.path === path)?.sizeBytes).toBe(700_001n);
  const digest = createHash('sha256').update(weights).digest('hex');
  for (const offset of [0n, 1n, 262_144n, 300_000n, 700_001n]) {
    const got = await read(path, offset);
    expect(got.digest).toBe(digest);
    expect(got.bytes.equals(weights.subarray(Number(offset)))).toBe(true);
  }
  await expect(read(path, 700_002n)).rejects.toThrow('has 700001 bytes; begin at 0');
  for (const wrong of ['final/link', '../train.jsonl', '/etc/passwd', 'checkpoints', ''])
    await expect(read(wrong, 0n)).rejects.toThrow(`gives no file '${wrong}'`);
  const { client } = fleet.coordinator;
  await expect(client.listRunFiles({ runId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' });
  await rm(directory, { recursive: true });
  await expect(client.listRunFiles({ runId: 'run-a' })).rejects.toThrow('is not on the machine of this coordinator');
});

test('P9: a file that broke off goes on where it was, one that is the same is not sent again, and one that differs is sent anew', async () => {
  const directory = await finishedRun();
  const here = await temporaryDirectory('gradus-fetched-');
  const coordinators = createCoordinators([fleet.coordinator.client]);
  const fetched = (path: string) => fetchFile(coordinators, 'run-a', path, here, signal);
  const whole = await readFile(join(directory, 'metrics.jsonl'));
  await writeFile(join(here, 'metrics.jsonl.partial'), whole.subarray(0, 100));
  expect(await fetched('metrics.jsonl')).toBe(whole.length - 100);
  expect(await readFile(join(here, 'metrics.jsonl'))).toEqual(whole);
  expect(await fetched('metrics.jsonl')).toBe(0);
  await writeFile(join(here, 'metrics.jsonl'), Buffer.alloc(whole.length, 'x'));
  expect(await fetched('metrics.jsonl')).toBe(whole.length);
  await writeFile(join(here, 'metrics.jsonl'), Buffer.alloc(whole.length + 5, 'x'));
  expect(await fetched('metrics.jsonl')).toBe(whole.length);
  expect(await readFile(join(here, 'metrics.jsonl'))).toEqual(whole);
  await expect(stat(join(here, 'metrics.jsonl.partial'))).rejects.toThrow('ENOENT');
  for (const path of ['../outside', '/outside', 'a/../../outside'])
    await expect(fetched(path)).rejects.toThrow('no path in the folder of a run');
});
