import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { detectorNames } from '#rewards/detector-names.ts';
import { evaluationMetrics, withRewards } from '../evaluation/evaluation-metrics.ts';
import { learnerMetrics, rolloutMetrics } from './step-metrics.ts';

const weights = { exact_match: 1, tool_success: 0.5, format: 0.25 };
const composed = (by: Record<string, number>, more: MessageInitShape<typeof CompositionSchema> = {}) =>
  create(CompositionSchema, { weights: Object.entries(by).map(([name, weight]) => ({ name, weight })), ...more });
const plain = composed(weights);
const byHops = { primaryMetric: 'exact_match', tags: ['hops'] };
let rows = 0;
const row = (hops: number) => ({ id: `row-${rows++}`, tags: { hops: String(hops), year: '1999' } });
const result = (em: number, modelTokens = 10) =>
  create(RolloutResultSchema, {
    components: { exact_match: em, f1: em, tool_success: 0.5, format: 1, xml: 1 },
    modelTokens,
    toolCalls: 4,
    toolFailures: 1,
    promptTokens: 5,
    environmentTokens: 5,
    versions: { first: 3n, last: 3n },
  });

describe('an evaluation', () => {
  it('P2: means over what came back, by mode and by tag, with absences next to it', () => {
    const metrics = evaluationMetrics(
      [
        { mode: 'sampled', row: row(2), result: result(1) },
        { mode: 'sampled', row: row(3), result: result(0) },
        { mode: 'sampled', row: row(3), result: undefined },
        { mode: 'greedy', row: row(2), result: result(1) },
      ],
      plain,
      byHops,
    );
    expect(metrics).toMatchObject({
      'sampled.exact_match': 0.5,
      'sampled.n': 2,
      'sampled.absent': 1,
      'sampled.hops=2.exact_match': 1,
      'sampled.hops=3.exact_match': 0,
      'sampled.hops=3.n': 1,
      'greedy.exact_match': 1,
      'greedy.n': 1,
    });
    expect(metrics['sampled.reward']).toBeCloseTo(0.5 + 0.25 + 0.25);
    expect(metrics['greedy.exact_match.low']).toBeCloseTo(0.2065, 3);
    expect(metrics['greedy.exact_match.high']).toBe(1);
  });

  it('says of every detector in which share of its samples it fired, and P2: an absent component counts for nothing', () => {
    const fired = create(RolloutResultSchema, {
      ...result(0),
      components: { exact_match: 0, prose: 0.5 },
      detectors: { giant_answer: 0.25 },
    });
    const metrics = evaluationMetrics(
      [fired, result(1), result(1), result(1), undefined].map((one) => ({ mode: 'sampled', row: row(2), result: one })),
      plain,
      byHops,
    );
    expect(metrics).toMatchObject({ 'sampled.detector.giant_answer': 0.25, 'sampled.detector.many_answers': 0 });
    expect(metrics['sampled.prose']).toBe(0.5);
    expect(Object.keys(metrics).filter((name) => name.startsWith('sampled.detector.'))).toHaveLength(
      detectorNames.length,
    );
  });

  it('is split by no tag that the environment does not declare, and P9: says how many values of one it leaves out', () => {
    const many = Array.from({ length: 40 }, (_, at) => ({
      mode: 'sampled' as const,
      row: { id: `${at}`, tags: { source: `s${at % 35}`, hops: '2' } },
      result: result(1),
    }));
    const metrics = evaluationMetrics(many, plain, { primaryMetric: 'exact_match', tags: ['source'] });
    // 35 values; those that several rows have come first.
    expect(metrics['sampled.tag_values_left_out']).toBe(3);
    expect(metrics['sampled.source=s4.n']).toBe(2);
    expect(Object.keys(metrics).filter((name) => /source=.*\.n$/.test(name))).toHaveLength(32);
    expect(Object.keys(metrics).filter((name) => name.includes('hops='))).toEqual([]);
  });

  it('P2: has no mean of what no sample has, and none at all where none came back', () => {
    const lost = [{ mode: 'sampled' as const, row: row(2), result: undefined }];
    expect(evaluationMetrics(lost, plain, byHops)).toMatchObject({ 'sampled.n': 0, 'sampled.absent': 1 });
    expect(evaluationMetrics(lost, plain, byHops)).not.toHaveProperty(['sampled.exact_match']);
    const unjudged = [{ mode: 'sampled' as const, row: row(2), result: result(1) }];
    const metrics = evaluationMetrics(unjudged, composed({ exact_match: 1, prose: 1 }), byHops);
    expect(metrics).not.toHaveProperty(['sampled.reward']);
    expect(metrics).toMatchObject({ 'sampled.exact_match': 1 });
  });

  it('has what the environment reports, by tag too, where it was reported', () => {
    const reported = { ...result(1), environmentMetrics: { moves: 4 } };
    const metrics = evaluationMetrics(
      [
        { mode: 'sampled', row: row(2), result: reported },
        { mode: 'sampled', row: row(3), result: result(1) },
      ],
      plain,
      byHops,
    );
    expect(metrics).toMatchObject({ 'sampled.environment.moves': 4, 'sampled.hops=2.environment.moves': 4 });
    expect(metrics).not.toHaveProperty(['sampled.hops=3.environment.moves']);
  });

  it('has the interval of the primary metric over rows, also where that is the reward', () => {
    const [a, b] = [row(2), row(2)];
    const samples = [
      { mode: 'sampled' as const, row: a, result: result(1) },
      { mode: 'sampled' as const, row: a, result: result(0) },
      { mode: 'sampled' as const, row: b, result: result(1) },
      { mode: 'sampled' as const, row: b, result: result(0) },
    ];
    // Both rows have a mean of 1/2: resampling rows finds nothing else, though samples differ.
    const led = evaluationMetrics(samples, composed({ exact_match: 1 }), { primaryMetric: 'reward', tags: [] });
    expect(led).toMatchObject({ 'sampled.reward': 0.5, 'sampled.reward.low': 0.5, 'sampled.reward.high': 0.5 });
    expect(led).not.toHaveProperty(['sampled.exact_match.low']);
  });

  it('gets the reward that other weights give from its components', () => {
    const metrics = evaluationMetrics([{ mode: 'greedy', row: row(2), result: result(1) }], plain, byHops);
    expect(withRewards(metrics, composed({ exact_match: 2, format: 0.25 }))['greedy.reward']).toBeCloseTo(2.25);
  });
});

describe('an evaluation of a stage with a composition', () => {
  it('has the mean of what the rollouts were given, by mode and by tag, and keeps it', () => {
    const gated = composed(weights, { gates: [{ name: 'format', atLeast: 1, otherwise: -1 }], clipHigh: 0.5 });
    const rewarded = (format: number) => ({ ...result(1), components: { ...result(1).components, format } });
    const metrics = evaluationMetrics(
      [
        { mode: 'sampled', row: row(2), result: rewarded(0) },
        { mode: 'sampled', row: row(3), result: rewarded(1) },
        { mode: 'sampled', row: row(3), result: undefined },
      ],
      gated,
      byHops,
    );
    expect(metrics).toMatchObject({
      'sampled.exact_match': 1,
      'sampled.reward': -0.25,
      'sampled.hops=2.reward': -1,
      'sampled.hops=3.reward': 0.5,
    });
    expect(withRewards(metrics, gated)).toEqual(metrics);
  });
});

describe('the metrics of a step', () => {
  const groups = [
    {
      fate: GroupFate.KEPT,
      tags: { hops: '2' },
      durationMs: 2000,
      size: 2,
      results: [result(1, 10), result(0, 30)],
      rewards: [1, 0],
    },
    {
      fate: GroupFate.NO_VARIANCE,
      tags: { hops: '3' },
      durationMs: 1000,
      size: 2,
      results: [result(0, 20), result(0, 20)],
      rewards: [0, 0],
    },
    { fate: GroupFate.DROPPED, tags: {}, durationMs: 9000, size: 2, results: [result(1, 100)], rewards: [1] },
  ];

  it('have the names and values that users of other trainers know', () => {
    const metrics = rolloutMetrics(groups, 3, 1e-6, ['hops']);
    expect(metrics).toMatchObject({
      'reward/mean': 0.4,
      'reward/exact_match': 0.4,
      'completion_length/mean': 36,
      'completion_length/p90': 100,
      'completion_length/max': 100,
      'tools/call_frequency': 4,
      'tools/failure_frequency': 0.25,
      'groups/opened': 3,
      'groups/kept': 1,
      'groups/no_variance': 1,
      'groups/dropped': 1,
      'rollouts/published': 6,
      'rollouts/completed': 5,
      'off_policy/max': 0,
      'group_completion_seconds/max': 9,
      'reward/tool_success': 0.5,
    });
    expect(metrics['reward/std']).toBeCloseTo(Math.sqrt(0.3));
    expect(metrics['frac_reward_zero_std']).toBeCloseTo(2 / 3);
    expect(rolloutMetrics(groups, 5, 1e-6, ['hops'])['off_policy/max']).toBe(2);
  });

  it('are split by the tags that the environment declares', () => {
    const metrics = rolloutMetrics(groups, 3, 1e-6, ['hops']);
    expect(metrics).toMatchObject({
      'reward/hops=2/mean': 0.5,
      'reward/hops=2/exact_match': 0.5,
      'reward/hops=3/exact_match': 0,
      'reward/hops=3/format': 1,
    });
    expect(Object.keys(rolloutMetrics(groups, 3, 1e-6, [])).filter((name) => name.includes('='))).toEqual([]);
  });

  it('P2: have the mean of what the environment reported, over the rollouts that did', () => {
    const [group] = groups;
    if (group === undefined) throw new Error('there are groups');
    const reported = { ...result(1), environmentMetrics: { moves: 4 } };
    const metrics = rolloutMetrics([{ ...group, results: [reported, result(0)] }], 3, 1e-6, []);
    expect(metrics).toMatchObject({ 'environment/moves': 4 });
    expect(rolloutMetrics(groups, 3, 1e-6, [])).not.toHaveProperty(['environment/moves']);
  });

  it('name every detector: the share of rollouts in which it fired, and its mean value', () => {
    const fired = create(RolloutResultSchema, { ...result(0), detectors: { candidate_list: 0.5 } });
    const group = { fate: GroupFate.KEPT, tags: {}, durationMs: 1, size: 4, rewards: [0, 0, 0, 1] };
    const metrics = rolloutMetrics([{ ...group, results: [fired, fired, fired, result(1)] }], 3, 1e-6, ['hops']);
    expect(metrics).toMatchObject({ 'detector/candidate_list': 0.75, 'detector/candidate_list/mean': 0.375 });
    for (const name of detectorNames) {
      expect(rolloutMetrics([], 0, 0, []), name).toMatchObject({
        [`detector/${name}`]: 0,
        [`detector/${name}/mean`]: 0,
      });
    }
  });

  it('P2: a component that a judge could not give counts for nothing, instead of as 0', () => {
    const judged = (prose: number) =>
      create(RolloutResultSchema, { ...result(0), components: { exact_match: 0, prose } });
    const group = { fate: GroupFate.KEPT, tags: {}, durationMs: 1, size: 3, rewards: [0, 0, 0] };
    const metrics = rolloutMetrics([{ ...group, results: [judged(0.5), judged(1), result(1)] }], 3, 1e-6, ['hops']);
    expect(metrics['reward/prose']).toBe(0.75);
    expect(metrics['reward/prose/std']).toBeCloseTo(Math.sqrt(0.125), 12);
    expect(metrics['reward/exact_match']).toBeCloseTo(1 / 3, 12);
    expect(metrics).not.toHaveProperty('reward/exact_match/std');
  });

  it('are numbers for a step without any rollout', () => {
    for (const [name, value] of Object.entries(rolloutMetrics([], 0, 0, [])))
      expect(Number.isFinite(value), name).toBe(true);
  });

  it('rename what the learner measures', () => {
    expect(learnerMetrics({ clip_fraction: 0.1, mismatch_k3: 0.2, ppo_kl: 0.3 })).toEqual({
      clip_ratio: 0.1,
      mismatch_kl: 0.2,
      'train/ppo_kl': 0.3,
    });
  });
});
