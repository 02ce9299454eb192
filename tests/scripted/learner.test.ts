import { spawn } from 'node:child_process';
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { create } from '@bufbuild/protobuf';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { LearnerService } from '#proto/learner/v1/learner_service_pb.ts';
import {
  FinishReason,
  LogprobKind,
  SamplingSchema,
  TrajectorySchema,
  VersionSpanSchema,
} from '#proto/trajectory/v1/trajectory_pb.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { encodeTrajectory } from '#trajectory/encode-trajectory.ts';
import { concatenateTokens, modelSegment, promptSegment } from '#trajectory/segments.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';
import { tokenizerPath } from '../rollout/fleet.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const main = join(import.meta.dirname, '../../services/scripted/learner/main.ts');

/** The service as a process of its own, so that it can be killed. */
async function startLearner() {
  const child = spawn(process.execPath, [main], { stdio: ['ignore', 'pipe', 'ignore'] });
  const exit = new Promise((resolve) => child.once('exit', resolve));
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exit;
  };
  onTestFinished(kill);
  for await (const line of createInterface(child.stdout)) {
    const { grpc } = z.looseObject({ grpc: z.string() }).parse(JSON.parse(line));
    const client = createGrpcClient(LearnerService, grpc, { timeoutMs: 60_000 });
    onTestFinished(() => client.close());
    return { client, kill };
  }
  throw new Error('the learner ended before it served');
}

async function workplace() {
  const root = await temporaryDirectory();
  const modelPath = join(root, 'model');
  await mkdir(modelPath);
  await cp(tokenizerPath, join(modelPath, 'tokenizer.json'));
  return { runId: 'run-1', directory: join(root, 'run'), modelPath, seed: 1n };
}

async function payload(taskId: string, change: { digest?: Uint8Array } = {}): Promise<Uint8Array> {
  const segments = [
    promptSegment('p', [1, 2, taskId.length]),
    modelSegment({
      text: 'a',
      tokenIds: [3],
      logprobs: [-0.5],
      logprobKind: LogprobKind.TEMPERED,
      finishReason: FinishReason.STOP,
      versions: create(VersionSpanSchema),
      sampling: create(SamplingSchema, { temperature: 1 }),
    }),
  ];
  return await encodeTrajectory(
    create(TrajectorySchema, {
      runId: 'run-1',
      taskId,
      segments,
      tokenizerHash: 'ab'.repeat(32),
      sequenceDigest: change.digest ?? sequenceDigest(concatenateTokens(segments)),
    }),
  );
}

async function* step(
  number: number,
  samples: readonly Uint8Array[],
  header: { checkpoint?: boolean; samples?: number; keepVersions?: bigint[] } = {},
) {
  yield {
    message: {
      case: 'header' as const,
      value: { runId: 'run-1', step: BigInt(number), samples: samples.length, temperature: 1, ...header },
    },
  };
  for (const trajectory of samples) {
    yield { message: { case: 'sample' as const, value: { trajectory, advantage: 0.5, truncated: false } } };
  }
}

const weightsOf = async (path: string): Promise<string> =>
  (await readFile(join(path, 'model.safetensors'))).toString('hex');

describe('the scripted learner', () => {
  it('P1: resumes from its checkpoint after SIGKILL, and the same steps give the same weights', async () => {
    const place = await workplace();
    const batches = [[await payload('a')], [await payload('bb')], [await payload('ccc')]] as const;
    const first = await startLearner();
    await first.client.openRun({ ...place, resume: false });
    await first.client.trainStep(step(1, batches[0], { checkpoint: true }));
    const second = await first.client.trainStep(step(2, batches[1]));
    const weights = await weightsOf(second.weightsPath);
    await first.kill();

    const next = await startLearner();
    expect(await next.client.openRun({ ...place, resume: true })).toMatchObject({ step: 1n, version: 1n });
    const again = await next.client.trainStep(step(2, batches[1]));
    expect(again).toMatchObject({ step: 2n, applied: true });
    expect(await weightsOf(again.weightsPath)).toBe(weights);
    const other = await next.client.trainStep(step(3, batches[2], { checkpoint: true }));
    expect(await weightsOf(other.weightsPath)).not.toBe(weights);
    expect((await readdir(join(place.directory, 'checkpoints'))).toSorted()).toEqual(['step-000001', 'step-000003']);
  });

  it('P1: answers a step that was applied from its record, and does not apply it twice', async () => {
    const place = await workplace();
    const { client } = await startLearner();
    await client.openRun({ ...place, resume: false });
    const batch = [await payload('a'), await payload('bb')];
    const applied = await client.trainStep(step(1, batch));
    const repeated = await client.trainStep(step(1, batch, { checkpoint: true }));
    expect(repeated).toMatchObject({ applied: false, weightsPath: applied.weightsPath, metrics: applied.metrics });
    // A checkpoint that the first answer lacked is made up for.
    expect(repeated.checkpointPath).toBe(join(place.directory, 'checkpoints', 'step-000001'));
    await expect(client.trainStep(step(3, batch))).rejects.toThrow(/step is 3, .* is at 1; send 2/);
  });

  it('removes old versions but those that a step keeps', async () => {
    const place = await workplace();
    const { client } = await startLearner();
    await client.openRun({ ...place, resume: false });
    const batch = [await payload('a')];
    for (let number = 1; number <= 6; number++)
      await client.trainStep(step(number, batch, { keepVersions: number < 6 ? [1n, 2n] : [2n] }));
    const versions = await readdir(join(place.directory, 'versions'));
    expect(versions.toSorted()).toEqual(['000002', '000004', '000005', '000006']);
  });

  it('P4: refuses a sample whose tokens are not those that the engine saw, and applies nothing', async () => {
    const place = await workplace();
    const { client } = await startLearner();
    await client.openRun({ ...place, resume: false });
    const forged = await payload('a', { digest: sequenceDigest([9]) });
    await expect(client.trainStep(step(1, [await payload('bb'), forged]))).rejects.toThrow(
      /sample 1: .*sequence_digest/,
    );
    const cut = (await payload('a')).subarray(0, 20);
    await expect(client.trainStep(step(1, [cut]))).rejects.toThrow(/sample 0: .*does not decode/);
    await expect(client.trainStep(step(1, [await payload('a')], { samples: 2 }))).rejects.toThrow(/1 samples came/);
    expect(await client.describe({})).toMatchObject({ step: 0n });
  });

  it('refuses to begin anew where checkpoints of a run lie', async () => {
    const place = await workplace();
    const { client, kill } = await startLearner();
    await client.openRun({ ...place, resume: false });
    await client.trainStep(step(1, [await payload('a')], { checkpoint: true }));
    await kill();
    const next = await startLearner();
    await expect(next.client.openRun({ ...place, resume: false })).rejects.toThrow(
      /already has checkpoint .*step-000001/,
    );
    await expect(next.client.openRun({ ...place, runId: 'run-2', resume: true })).rejects.toThrow(
      /is of run 'run-1', not of 'run-2'/,
    );
  });

  it('P9: reports a damaged checkpoint, and goes on from an older whole one', async () => {
    const place = await workplace();
    const { client, kill } = await startLearner();
    await client.openRun({ ...place, resume: false });
    const first = await client.trainStep(step(1, [await payload('a')], { checkpoint: true }));
    const second = await client.trainStep(step(2, [await payload('bb')], { checkpoint: true }));
    expect(second.weightsDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(second.weightsDigest).not.toBe(first.weightsDigest);
    await kill();
    const damaged = join(second.checkpointPath, 'model.safetensors');
    const bytes = await readFile(damaged);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
    await writeFile(damaged, bytes);
    const next = await startLearner();
    const opened = await next.client.openRun({ ...place, resume: true });
    expect(opened).toMatchObject({ step: 1n, weightsDigest: first.weightsDigest });
    expect(opened.damaged).toEqual([expect.stringMatching(`${damaged}: expected SHA-256 .*, found `)]);
    const again = await next.client.trainStep(step(2, [await payload('bb')], { checkpoint: true }));
    expect(again.weightsDigest).toBe(second.weightsDigest);
  });

  it('touches no directory that it did not make, and no model but the one that the run began with', async () => {
    const place = await workplace();
    const precious = join(place.directory, 'versions', '000123');
    await mkdir(precious, { recursive: true });
    const { client } = await startLearner();
    await expect(client.openRun({ ...place, resume: true })).rejects.toThrow(
      "versions is there, but no learner.json says that run 'run-1' made it",
    );
    const directory = `${place.directory}-2`;
    await client.openRun({ ...place, directory, resume: false });
    await mkdir(join(directory, 'versions', '000009'), { recursive: true });
    await writeFile(join(place.modelPath, 'config.json'), '{}');
    await expect(client.openRun({ ...place, directory, resume: false })).rejects.toThrow(
      /not the model that run run-1 began with: config.json: expected no such file, found SHA-256/,
    );
    await rm(join(place.modelPath, 'config.json'));
    await client.openRun({ ...place, directory, resume: false });
    expect(await readdir(join(directory, 'versions'))).toEqual(['000009']);
    expect(await readdir(join(place.directory, 'versions'))).toEqual(['000123']);
  });
});
