import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  FinishReason,
  LogprobKind,
  SamplingSchema,
  SegmentKind,
  VersionSpanSchema,
  type Segment,
} from '#proto/trajectory/v1/trajectory_pb.ts';
import { compareTrajectories } from './compare-trajectories.ts';
import { environmentSegment, modelSegment, promptSegment } from './segments.ts';

function wrote(text: string, tokenIds: number[], logprobs: number[], first = 4n, last = first): Segment {
  return modelSegment({
    text,
    tokenIds,
    logprobs,
    logprobKind: LogprobKind.TEMPERED,
    finishReason: FinishReason.STOP,
    versions: create(VersionSpanSchema, { first, last }),
    sampling: create(SamplingSchema, { temperature: 1, maxNewTokens: 8, seed: 9n }),
  });
}

const record = (): Segment[] => [
  promptSegment('Where is it?', [1, 2, 3]),
  wrote('<tool>look</tool>', [4, 5], [-0.5, -0.25]),
  environmentSegment('<result>here</result>', [6, 7]),
  wrote('<answer>here</answer>', [8, 9, 10], [-0.5, -1, -2]),
];

const compare = (replayed: Segment[], recorded = record(), version: bigint | undefined = 4n) =>
  compareTrajectories({ segments: recorded }, { segments: replayed }, version);

describe('compareTrajectories', () => {
  it('P8: the same tokens are identical, whatever their log-probabilities, whose distance is reported', () => {
    const replayed = record();
    replayed[3]?.logprobs.splice(1, 1, -1.5);
    expect(compare(replayed)).toEqual({
      equalSegments: 4,
      equalTokens: 10,
      largestLogprobDifference: 0.5,
      difference: undefined,
      changedWeights: undefined,
    });
    expect(compare(record()).largestLogprobDifference).toBe(0);
  });

  it('finds the first token that differs, with both log-probabilities and the text around it', () => {
    const replayed = record().with(3, wrote('<answer>herring</answer>', [8, 11, 10], [-0.5, -1.5, -2]));
    expect(compare(replayed)).toMatchObject({ equalSegments: 3, equalTokens: 8 });
    expect(compare(replayed).difference).toEqual({
      segment: 3,
      kind: SegmentKind.MODEL,
      token: 1,
      expectedToken: 9,
      gotToken: 11,
      expectedLogprob: -1,
      gotLogprob: -1.5,
      expectedText: '<answer>here</answer>',
      gotText: '<answer>herring</answer>',
    });
  });

  it('cuts a long text to what lies around the difference', () => {
    const long = `${'a'.repeat(200)}x${'b'.repeat(200)}`;
    const [expected, got] = [long, long.replace('x', 'y')].map((text, index) => [
      promptSegment(text, [1, 2 + index, 3]),
    ]);
    const { difference } = compare(got ?? [], expected);
    expect(difference?.expectedText).toBe(`…${'a'.repeat(60)}x${'b'.repeat(59)}…`);
    expect(difference?.gotText).toBe(`…${'a'.repeat(60)}y${'b'.repeat(59)}…`);
  });

  it('reports what the environment answered otherwise from what the policy wrote', () => {
    const replayed = record().with(2, environmentSegment('<result>there</result>', [6, 12]));
    expect(compare(replayed).difference).toMatchObject({
      segment: 2,
      kind: SegmentKind.ENVIRONMENT,
      token: 1,
      expectedToken: 7,
      gotToken: 12,
      expectedLogprob: undefined,
    });
  });

  it('finds a turn that ends earlier or later than recorded', () => {
    const shorter = record().with(3, wrote('<answer>', [8, 9], [-0.5, -1]));
    expect(compare(shorter).difference).toMatchObject({ segment: 3, token: 2, expectedToken: 10, gotToken: undefined });
    expect(compare(record(), shorter).difference).toMatchObject({ token: 2, expectedToken: undefined, gotToken: 10 });
  });

  it('finds a segment that is missing, and one of another kind', () => {
    expect(compare(record().slice(0, 3)).difference).toMatchObject({ segment: 3, token: 0, gotToken: undefined });
    expect(compare(record(), record().slice(0, 3)).difference).toMatchObject({ segment: 3, kind: SegmentKind.MODEL });
    const otherKind = record().with(2, wrote('<result>here</result>', [6, 7], [-1, -1]));
    expect(compare(otherKind).difference).toMatchObject({ segment: 2, kind: SegmentKind.ENVIRONMENT, token: 0 });
  });

  it('P5: ends where the weights changed under the recorded rollout, and says between which versions', () => {
    const recorded = record().with(3, wrote('<answer>here</answer>', [8, 9, 10], [-0.5, -1, -2], 4n, 5n));
    const replayed = record().with(3, wrote('other', [13], [-3]));
    expect(compare(replayed, recorded)).toMatchObject({
      equalSegments: 3,
      difference: undefined,
      changedWeights: { segment: 3, first: 4n, last: 5n },
    });
    // A difference before that is one all the same; and another policy is compared to the end.
    expect(compare(replayed.with(2, environmentSegment('x', [99])), recorded).difference?.segment).toBe(2);
    expect(compareTrajectories({ segments: recorded }, { segments: replayed }, undefined).difference?.segment).toBe(3);
  });
});
