import { create } from '@bufbuild/protobuf';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FinishReason,
  LogprobKind,
  SamplingSchema,
  SegmentKind,
  TrajectorySchema,
  VersionSpanSchema,
  type Segment,
  type Trajectory,
} from '#proto/trajectory/v1/trajectory_pb.ts';
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

describe('checkTrajectory', () => {
  const broken: [string, RegExp, (trajectory: Trajectory) => void][] = [
    ['no task id', /task_id is empty/, (t) => (t.taskId = '')],
    ['no tokenizer hash', /tokenizer_hash is empty/, (t) => (t.tokenizerHash = '')],
    ['no segments', /segments is empty/, (t) => (t.segments = [])],
    ['no prompt', /segments\[0\]\.kind is not PROMPT/, (t) => void t.segments.shift()],
    ['a second prompt', /segments\[4\]\.kind is PROMPT/, (t) => t.segments.push(promptSegment('again', [5]))],
    [
      'an empty environment segment',
      /segments\[2\]\.token_ids is empty/,
      (t) => t.segments.splice(2, 1, environmentSegment('', [])),
    ],
    ['a missing logprob', /segments\[1\]\.logprobs has 0 entries for 1 tokens/, (t) => t.segments[1]?.logprobs.pop()],
    ['a positive logprob', /segments\[1\]\.logprobs\[0\] is 0\.7/, (t) => t.segments[1]?.logprobs.splice(0, 1, 0.7)],
    [
      'a logprob that is not a number',
      /segments\[1\]\.logprobs\[0\] is NaN/,
      (t) => t.segments[1]?.logprobs.splice(0, 1, Number.NaN),
    ],
    ['logprobs on environment text', /segments\[2\]\.logprobs is set/, (t) => t.segments[2]?.logprobs.push(-1)],
    [
      'an endless logprob',
      /segments\[1\]\.logprobs\[0\] is -Infinity/,
      (t) => t.segments[1]?.logprobs.splice(0, 1, -Infinity),
    ],
    [
      'a segment of no kind',
      /segments\[2\]\.kind is unspecified/,
      (t) => change(t, 2, { kind: SegmentKind.UNSPECIFIED }),
    ],
    [
      'logprobs of no kind',
      /segments\[1\]\.logprob_kind is unspecified/,
      (t) => change(t, 1, { logprobKind: LogprobKind.UNSPECIFIED }),
    ],
    ['a turn without versions', /segments\[1\]\.versions is missing/, (t) => delete t.segments[1]?.versions],
    ['a turn without sampling', /segments\[1\]\.sampling is missing/, (t) => delete t.segments[1]?.sampling],
    ['one token changed', /not the tokens that the engine saw/, (t) => t.segments[0]?.tokenIds.splice(0, 1, 7)],
    ['a short digest', /sequence_digest has 3 bytes/, (t) => (t.sequenceDigest = new Uint8Array(3))],
  ];

  function change(trajectory: Trajectory, index: number, fields: Partial<Segment>): void {
    Object.assign(trajectory.segments[index] ?? {}, fields);
  }

  it('accepts a whole trajectory', () => {
    checkTrajectory(example());
  });

  it.each(broken)('P4: refuses %s and names the field', (_name, message, breakIt) => {
    const trajectory = example();
    breakIt(trajectory);
    expect(() => checkTrajectory(trajectory)).toThrow(message);
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
