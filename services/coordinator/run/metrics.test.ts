import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { compositionSchema } from '#shared/recipe/reward-parts.ts';
import { detectorNames } from '#shared/rewards/detector-names.ts';
import { evaluationMetrics, withRewards } from './evaluation-metrics.ts';
import { learnerMetrics, rolloutMetrics } from './step-metrics.ts';

const weights = { exact_match: 1, f1: 0, tool_success: 0.5, format: 0.25, xml: 0 };
const result = (em: number, modelTokens = 10) =>
  create(RolloutResultSchema, {
    reward: em,
    rewards: { exact_match: em, f1: em, tool_success: 0.5, format: 1, xml: 1 },
    modelTokens,
    toolCalls: 4,
    toolFailures: 1,
    promptTokens: 5,
    environmentTokens: 5,
    versions: { first: 3n, last: 3n },
  });

describe('an evaluation', () => {
  it('P2: means over what came back, by mode and hops, with absences beside it', () => {
    const metrics = evaluationMetrics(
      [
        { mode: 'sampled', hops: 2, result: result(1) },
        { mode: 'sampled', hops: 3, result: result(0) },
        { mode: 'sampled', hops: 3, result: undefined },
        { mode: 'greedy', hops: 2, result: result(1) },
      ],
      { rewards: weights },
    );
    expect(metrics).toMatchObject({
      'sampled.em': 0.5,
      'sampled.n': 2,
      'sampled.absent': 1,
      'sampled.hop2.em': 1,
      'sampled.hop3.em': 0,
      'sampled.hop3.n': 1,
      'greedy.em': 1,
      'greedy.n': 1,
    });
    expect(metrics['sampled.reward']).toBeCloseTo(0.5 + 0.25 + 0.25);
    expect(metrics['greedy.em_low']).toBeCloseTo(0.2065, 3);
    expect(metrics['greedy.em_high']).toBe(1);
  });

  it('says of every detector in which share of its samples it fired, and P2: an absent component counts for nothing', () => {
    const fired = create(RolloutResultSchema, {
      ...result(0),
      rewards: { exact_match: 0, prose: 0.5 },
      detectors: { giant_answer: 0.25 },
    });
    const metrics = evaluationMetrics(
      [fired, result(1), result(1), result(1), undefined].map((one) => ({ mode: 'sampled', hops: 2, result: one })),
      { rewards: weights },
    );
    expect(metrics).toMatchObject({ 'sampled.detector.giant_answer': 0.25, 'sampled.detector.many_answers': 0 });
    expect(metrics['sampled.prose']).toBe(0.5);
    expect(Object.keys(metrics).filter((name) => name.startsWith('sampled.detector.'))).toHaveLength(
      detectorNames.length,
    );
  });

  it('gets the reward that other weights give from its components', () => {
    const metrics = evaluationMetrics([{ mode: 'greedy', hops: 2, result: result(1) }], { rewards: weights });
    expect(
      withRewards(metrics, { rewards: { ...weights, exact_match: 2, tool_success: 0 } })['greedy.reward'],
    ).toBeCloseTo(2.25);
  });
});

describe('an evaluation of a stage with a composition', () => {
  it('has the mean of what the rollouts were given, by mode and hops, and keeps it', () => {
    const stage = { rewards: weights, composition: compositionSchema.parse({ clip: { high: 0.5 } }) };
    const rewarded = (reward: number) => ({ ...result(1), reward });
    const metrics = evaluationMetrics(
      [
        { mode: 'sampled', hops: 2, result: rewarded(-1) },
        { mode: 'sampled', hops: 3, result: rewarded(0.5) },
        { mode: 'sampled', hops: 3, result: undefined },
      ],
      stage,
    );
    expect(metrics).toMatchObject({
      'sampled.em': 1,
      'sampled.reward': -0.25,
      'sampled.hop2.reward': -1,
      'sampled.hop3.reward': 0.5,
    });
    expect(withRewards(metrics, stage)).toEqual(metrics);
  });

  it('adds nothing for a groupwise component, which it does not have', () => {
    const metrics = evaluationMetrics([{ mode: 'greedy', hops: 2, result: result(1) }], {
      rewards: { ...weights, preferred: { weight: 5 } },
    });
    expect(metrics['greedy.reward']).toBeCloseTo(1.5);
    expect(metrics).not.toHaveProperty('greedy.preferred');
  });
});

describe('the metrics of a step', () => {
  const groups = [
    { fate: GroupFate.KEPT, durationMs: 2000, size: 2, results: [result(1, 10), result(0, 30)], rewards: [1, 0] },
    {
      fate: GroupFate.NO_VARIANCE,
      durationMs: 1000,
      size: 2,
      results: [result(0, 20), result(0, 20)],
      rewards: [0, 0],
    },
    { fate: GroupFate.DROPPED, durationMs: 9000, size: 2, results: [result(1, 100)], rewards: [1] },
  ];

  it('have the names and values that users of other trainers know', () => {
    const metrics = rolloutMetrics(groups, 3, 1e-6);
    expect(metrics).toMatchObject({
      'reward/mean': 0.4,
      em: 0.4,
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
    expect(rolloutMetrics(groups, 5, 1e-6)['off_policy/max']).toBe(2);
  });

  it('name every detector: the share of rollouts in which it fired, and its mean value', () => {
    const fired = create(RolloutResultSchema, { ...result(0), detectors: { candidate_list: 0.5 } });
    const group = { fate: GroupFate.KEPT, durationMs: 1, size: 4, rewards: [0, 0, 0, 1] };
    const metrics = rolloutMetrics([{ ...group, results: [fired, fired, fired, result(1)] }], 3, 1e-6);
    expect(metrics).toMatchObject({ 'detector/candidate_list': 0.75, 'detector/candidate_list/mean': 0.375 });
    for (const name of detectorNames) {
      expect(rolloutMetrics([], 0, 0), name).toMatchObject({ [`detector/${name}`]: 0, [`detector/${name}/mean`]: 0 });
    }
  });

  it('P2: a component that a judge could not give counts for nothing, instead of as 0', () => {
    const judged = (prose: number) => create(RolloutResultSchema, { ...result(0), rewards: { exact_match: 0, prose } });
    const group = { fate: GroupFate.KEPT, durationMs: 1, size: 3, rewards: [0, 0, 0] };
    const metrics = rolloutMetrics([{ ...group, results: [judged(0.5), judged(1), result(1)] }], 3, 1e-6);
    expect(metrics['reward/prose']).toBe(0.75);
    expect(metrics['reward/prose/std']).toBeCloseTo(Math.sqrt(0.125), 12);
    expect(metrics['reward/exact_match']).toBeCloseTo(1 / 3, 12);
    expect(metrics).not.toHaveProperty('reward/exact_match/std');
  });

  it('are numbers for a step without any rollout', () => {
    for (const [name, value] of Object.entries(rolloutMetrics([], 0, 0)))
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
