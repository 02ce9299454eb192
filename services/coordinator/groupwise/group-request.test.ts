import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { Aggregation, Compared, PartialPolicy, Schedule, ScoreGroupRequestSchema } from '#proto/reward/v1/group_pb.ts';
import { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { groupRequest, presentSamples } from './group-request.ts';
import { groupwiseScorer, settledGroup } from './group-under-test.ts';

const pairwise = (settings: object = {}) => groupwiseScorer({ kind: 'pairwise', ...settings });
const right = (share: number, prediction?: string) => ({
  components: { exact_match: share },
  ...(prediction !== undefined && { prediction }),
});
const four = settledGroup([right(0.5, 'one'), right(0), undefined, right(1, 'two')]);
const five = settledGroup(Array.from({ length: 5 }, () => right(0)));
const composition = create(CompositionSchema, {
  weights: [
    { name: 'exact_match', weight: 2 },
    { name: 'preferred', weight: 1 },
  ],
  normalize: true,
  groupwise: ['preferred'],
});

function requestOf(scorer = pairwise(), group = four, texts: readonly string[] = []) {
  const compared = presentSamples(group).map((sample) => ({ sample, texts }));
  return create(ScoreGroupRequestSchema, groupRequest(group, compared, { scorer, composition }));
}

describe('what is asked about a group', () => {
  it('is its question, its gold and the answers of those that came back, by task', () => {
    const request = requestOf();
    expect(request).toMatchObject({ id: 'a'.repeat(64), question: 'What?', answers: ['that', 'it'], judge: 'main' });
    expect(request).toMatchObject({
      compared: Compared.ANSWER,
      partial: PartialPolicy.ABSENT,
      deadlineMs: 0,
      criterion: '',
    });
    expect(
      request.samples.map(({ id, turns }) => [id, turns.map(({ action }) => action.case), turns[0]?.text]),
    ).toEqual([
      ['t0', ['answer'], 'one'],
      ['t1', [], undefined],
      ['t3', ['answer'], 'two'],
    ]);
    expect(request.samples.every(({ pointwise }) => pointwise === undefined)).toBe(true);
  });

  it('has every turn where transcripts are compared', () => {
    const request = requestOf(pairwise({ compared: 'transcript' }), four, ['<tool>', '<answer>']);
    expect(request.compared).toBe(Compared.TRANSCRIPT);
    expect(request.samples[0]?.turns.map(({ text }) => text)).toEqual(['<tool>', '<answer>']);
  });

  it('P8: has the same seed for the same group, and another one for another', () => {
    const seed = requestOf().seed;
    expect(requestOf(pairwise({ schedule: 'swiss' })).seed).toBe(seed);
    const { plan, ...rest } = settledGroup([right(0), right(1)]);
    expect(requestOf(pairwise(), { ...rest, plan: { ...plan, seed: plan.seed + 1n } }).seed).toBe(plan.seed + 1n);
    expect(seed).toBe(plan.seed);
  });

  it('carries what the composition makes of a sample alone where the point-wise reward comes first', () => {
    const request = requestOf(pairwise({ pointwise_first: { tolerance: 0.1, top_only: true } }));
    expect(request.samples.map(({ pointwise }) => pointwise)).toEqual([0.5, 0, 1]);
    expect(request.pointwiseFirst).toMatchObject({ tolerance: 0.1, topOnly: true });
  });

  it('carries every setting of the scorer', () => {
    const settings = { schedule: 'circular', rounds: 2, one_order: true, forbid_ties: true, aggregation: 'win_rate' };
    const request = requestOf(pairwise({ ...settings, criterion: 'brief', partial: 'aggregate', deadline_ms: 7 }));
    expect(request).toMatchObject({ criterion: 'brief', partial: PartialPolicy.AGGREGATE, deadlineMs: 7 });
    expect(request.method).toMatchObject({
      case: 'pairwise',
      value: {
        schedule: Schedule.CIRCULAR,
        rounds: 2,
        oneOrder: true,
        forbidTies: true,
        aggregation: Aggregation.WIN_RATE,
      },
    });
    expect(requestOf(groupwiseScorer({ kind: 'listwise', passes: 5 })).method).toMatchObject({
      case: 'listwise',
      value: { passes: 5 },
    });
  });

  it('asks for no more rounds and pairs than those that came back have', () => {
    expect(requestOf(pairwise({ schedule: 'circular', rounds: 3 })).method.value).toMatchObject({ rounds: 2 });
    expect(requestOf(pairwise({ schedule: 'budget', pairs: 6 })).method.value).toMatchObject({ pairs: 3 });
  });

  it('gives an odd group a second round of Swiss: who sat out the first is compared in it', () => {
    expect(requestOf(pairwise({ schedule: 'swiss', rounds: 1 }), five).method.value).toMatchObject({ rounds: 2 });
    expect(requestOf(pairwise({ schedule: 'swiss' }), five).method.value).toMatchObject({ rounds: 0 });
  });
});
