import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { SegmentKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { TrajectoryComparison } from '#trajectory/compare-trajectories.ts';
import { renderReplay, replayJson, verdictOf } from './replay-report.ts';
import type { ReplayOutcome } from './replay-report.ts';

const composition = create(CompositionSchema, {
  weights: [
    { name: 'exact_match', weight: 1 },
    { name: 'preferred', weight: 3 },
  ],
  groupwise: ['preferred'],
});
const result = (reward: number) =>
  create(RolloutResultSchema, { runId: 'demo', taskId: 'abc', components: { exact_match: reward } });
const equal: TrajectoryComparison = {
  equalSegments: 3,
  equalTokens: 40,
  largestLogprobDifference: 0,
  difference: undefined,
  changedWeights: undefined,
};
const difference = {
  segment: 3,
  kind: SegmentKind.MODEL,
  token: 2,
  expectedToken: 17,
  gotToken: 21,
  expectedLogprob: -0.5,
  gotLogprob: -0.75,
  expectedText: 'Ada',
  gotText: 'Bob',
} as const;

const outcome = (comparison: Partial<TrajectoryComparison>, same = true, replayedReward = 1): ReplayOutcome => ({
  recorded: result(1),
  replayed: result(replayedReward),
  policy: { same, version: 7n, from: 'runs/demo/versions/000007' },
  comparison: { ...equal, ...comparison },
  composition,
});

describe('the report of a replay', () => {
  it('says that it is identical, and whether the log-probabilities are too', () => {
    expect(verdictOf(outcome({}))).toBe('identical');
    expect(renderReplay(outcome({})).join('\n')).toContain(
      'identical: 3 segments and 40 tokens, reward 1.0000; log-probabilities agree to the last bit',
    );
    expect(renderReplay(outcome({ largestLogprobDifference: 4.8e-7 })).join('\n')).toContain(
      'differ by at most 4.8e-7',
    );
  });

  it('shows the place, both tokens and the text of a difference', () => {
    const text = renderReplay(outcome({ difference })).join('\n');
    expect(text).toContain('different at segment 3 (policy), token 2 of the segment');
    expect(text).toContain('recorded: token 17, logprob -0.500000, text "Ada"');
    expect(text).toContain('replayed: token 21, logprob -0.750000, text "Bob"');
    expect(verdictOf(outcome({ difference }))).toBe('different');
  });

  it('distinguishes rounding from other weights, and both from another policy and another environment', () => {
    const cause = (comparison: Partial<TrajectoryComparison>, same?: boolean) =>
      renderReplay(outcome({ difference, ...comparison }, same)).at(-1);
    expect(cause({ largestLogprobDifference: 1e-6 })).toContain('equal up to rounding');
    expect(cause({ largestLogprobDifference: 0.2 })).toContain('other weights or another engine');
    expect(cause({ largestLogprobDifference: 0.2 }, false)).toContain('as another policy may');
    const environment = { ...difference, kind: SegmentKind.ENVIRONMENT };
    expect(cause({ difference: environment })).toContain('the environment answered otherwise');
  });

  it('P5: says that a rollout whose weights changed cannot come again exactly', () => {
    const changed = outcome({ changedWeights: { segment: 3, first: 7n, last: 8n } });
    expect(verdictOf(changed)).toBe('identical_until_weights_changed');
    expect(renderReplay(changed).join('\n')).toContain('segment 3 was written by versions 7 to 8');
  });

  it('P2: another reward for the same tokens is a difference', () => {
    expect(verdictOf(outcome({}, true, 0.5))).toBe('different');
    expect(renderReplay(outcome({}, true, 0.5)).join('\n')).toContain('recorded 1.0000, replayed 0.5000');
  });

  it('is JSON for machines, with versions as text', () => {
    const read: unknown = JSON.parse(replayJson(outcome({ changedWeights: { segment: 3, first: 7n, last: 8n } })));
    expect(read).toMatchObject({ verdict: 'identical_until_weights_changed', policy: { version: '7' } });
    expect(read).toMatchObject({ changed_weights: { first: '7', last: '8' }, reward: { recorded: 1, replayed: 1 } });
  });
});
