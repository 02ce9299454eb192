import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { create, fromJson, type JsonValue } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FinishReason,
  LogprobKind,
  SamplingSchema,
  TrajectorySchema,
  VersionSpanSchema,
  type Trajectory,
} from '#proto/trajectory/v1/trajectory_pb.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { checkTrajectory } from './check-trajectory.ts';
import { decodeTrajectory, encodeTrajectory } from './encode-trajectory.ts';
import {
  concatenateTokens,
  countTokens,
  environmentSegment,
  modelSegment,
  promptSegment,
  versionSpan,
} from './segments.ts';
import { createSequenceHasher, sequenceDigest } from './sequence-digest.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function modelTurn(tokenIds: number[], first = 3n, last = first) {
  return modelSegment({
    text: 'turn',
    tokenIds,
    logprobs: tokenIds.map(() => -0.5),
    logprobKind: LogprobKind.TEMPERED,
    finishReason: FinishReason.STOP,
    versions: create(VersionSpanSchema, { first, last }),
    sampling: create(SamplingSchema, { temperature: 1, maxNewTokens: 8, seed: 9n }),
  });
}

function example(): Trajectory {
  const segments = [
    promptSegment('p', [1, 2]),
    modelTurn([300]),
    environmentSegment('e', [70_000]),
    modelTurn([4_294_967_295], 4n, 5n),
  ];
  return create(TrajectorySchema, {
    runId: 'run',
    taskId: 'task',
    segments,
    tokenizerHash: 'ab'.repeat(32),
    sequenceDigest: sequenceDigest(concatenateTokens(segments)),
  });
}

describe('sequence digest', () => {
  it('P4: is SHA-256 over the ids as little-endian uint32, as Python hashlib computes it', () => {
    expect(hex(sequenceDigest([1, 2, 300, 70_000, 4_294_967_295]))).toBe(
      'ab6bafdb116c12a24198b1cd3280043061989fd998a8f25fe494c72fd05c4634',
    );
    expect(hex(sequenceDigest([]))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  it('P4: gives the same digest for a sequence appended piece by piece', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.nat(0xffff_ffff))), (pieces) => {
        const hasher = createSequenceHasher();
        const seen: number[] = [];
        for (const piece of pieces) {
          hasher.append(piece);
          seen.push(...piece);
          expect(hex(hasher.digest())).toBe(hex(sequenceDigest(seen)));
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('segments', () => {
  it('concatenate to the sequence, and are counted by who wrote them', () => {
    expect(concatenateTokens(example().segments)).toEqual([1, 2, 300, 70_000, 4_294_967_295]);
    expect(countTokens(example().segments)).toEqual({ prompt: 2, model: 2, environment: 1 });
  });

  it('P5: the version span runs from the oldest to the newest version that wrote', () => {
    expect(versionSpan(example().segments)).toEqual({ first: 3n, last: 5n });
    expect(versionSpan([promptSegment('p', [1])])).toBeUndefined();
  });
});

type Change = readonly [path: readonly (string | number)[], value: JsonValue];

/** What the learner's tests read as well: a worker and the learner refuse the same. */
const goldens: {
  readonly whole: JsonValue;
  readonly refused: readonly { readonly name: string; readonly change: Change; readonly worker: string }[];
} = JSON.parse(readFileSync(join(repositoryRoot, 'tests/fixtures/trajectories/refused.json'), 'utf8'));

function golden(change?: Change): Trajectory {
  const values = change === undefined ? goldens.whole : changed(goldens.whole, ...change);
  return fromJson(TrajectorySchema, values);
}

function changed(value: JsonValue, [step, ...rest]: Change[0], to: JsonValue): JsonValue {
  if (step === undefined) return to;
  if (Array.isArray(value)) return value.map((each, index) => (index === step ? changed(each, rest, to) : each));
  if (value === null || typeof value !== 'object') throw new Error(`there is no ${step} in ${String(value)}`);
  return { ...value, [step]: changed(value[step] ?? null, rest, to) };
}

describe('checkTrajectory', () => {
  it('accepts a whole trajectory', () => {
    checkTrajectory(golden());
  });

  it.each(goldens.refused)('P4: refuses $name and names the field', ({ change, worker }) => {
    const trajectory = golden(change);
    expect(() => checkTrajectory(trajectory)).toThrow(worker);
  });
});

describe('encoded trajectories', () => {
  it('P4: come back as they were', async () => {
    expect(await decodeTrajectory(await encodeTrajectory(example()))).toEqual(example());
  });

  it('are refused with the size and the reason when they are cut or foreign', async () => {
    const whole = await encodeTrajectory(example());
    await expect(decodeTrajectory(whole.subarray(0, whole.length - 9))).rejects.toThrow(
      /payload of \d+ bytes does not decode/,
    );
    await expect(decodeTrajectory(gzipSync('not a message'))).rejects.toThrow(/does not decode/);
  });

  it('P6: are refused when they unpack to more than the limit', async () => {
    await expect(decodeTrajectory(gzipSync(Buffer.alloc(65 * 1024 * 1024)))).rejects.toThrow(/does not decode/);
  });
});
