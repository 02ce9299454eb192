import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from 'vitest';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { ScoreItemSchema, ScoreSchema } from '#proto/reward/v1/reward_pb.ts';
import { SegmentKind, SegmentSchema, TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { packScore } from '#trajectory/recorded-score.ts';
import { qualityOf, startGroupwiseFleet } from './groupwise-run.ts';
import type { GroupwiseFleet } from './groupwise-run.ts';

let fleet: GroupwiseFleet;
afterEach(async () => {
  await fleet.stop();
});

const stepLines = async () =>
  (await fleet.metricsLines('run-a')).filter((line: { kind: string }) => line.kind === 'step');
const finished = { state: RunState.FINISHED, message: '' };

describe('a run with a pairwise reward', () => {
  it('closes each group with rewards in the order of quality, and trains with them', async () => {
    fleet = await startGroupwiseFleet();
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    const closed = await fleet.closed();
    expect(closed).toHaveLength(6);
    for (const { fate, samples, judged } of closed) {
      expect(fate).toBe(GroupFate.KEPT);
      expect(judged['preferred']).toMatchObject({ planned: 6, judged: 6, missing: 0, judgements: 12 });
      const byQuality = samples.toSorted((a, b) => qualityOf(a.taskId) - qualityOf(b.taskId));
      for (const [index, { reward, components, advantage }] of byQuality.entries()) {
        expect(reward).toBe(components['preferred']);
        if (index > 0) expect(advantage).toBeGreaterThan(byQuality[index - 1]?.advantage ?? 0);
      }
    }
    const [step] = await stepLines();
    expect(step).toMatchObject({ 'judge/judgements': 36, 'judge/missing': 0, 'judge/inconsistency': 0 });
    expect(step['reward/preferred']).toBeCloseTo(0.5);
    expect(step['reward/mean']).toBeCloseTo(0.5);
    expect(step['time/group_scoring']).toBeGreaterThan(0);
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, duplicated: 0, failedInfra: 0 });
    const metrics = await fleet.coordinator.metrics.render();
    expect(metrics).toContain('gradus_group_scoring_seconds_count{outcome="scored"} 6');
    expect(metrics).not.toContain('gradus_groups_scoring{');
  });

  it('P8: with the same recipe and seed closes them with the same rewards', async () => {
    const rewards = [];
    for (let time = 0; time < 2; time++) {
      fleet = await startGroupwiseFleet({
        recipe: { scorer: '{ kind: pairwise, judge: main, schedule: swiss }', steps: 1 },
      });
      await fleet.submit('run-a');
      expect(await fleet.ended('run-a')).toMatchObject(finished);
      const closed = (await fleet.closed()).toSorted((a, b) => a.groupId.localeCompare(b.groupId));
      rewards.push(
        closed.map(({ groupId, samples }) => [groupId, samples.map(({ taskId, reward }) => [taskId, reward])]),
      );
      if (time === 0) await fleet.stop();
    }
    expect(rewards[1]).toEqual(rewards[0]);
  });

  it('composes the reward of the whole stage: weights, gates and what detectors say', async () => {
    fleet = await startGroupwiseFleet({
      recipe: {
        rewards: '{ exact_match: 1, preferred: 2 }',
        more: '    composition: { penalties: { candidate_list: 0.5 }, gates: [{ name: format, at_least: 1, otherwise: -1 }] }',
        steps: 1,
      },
      worker: (task) => ({
        result: {
          prediction: `quality=${task.sampleIndex}`,
          components: { exact_match: 0.25, format: task.sampleIndex === 0 ? 0 : 1 },
          detectors: task.sampleIndex === 3 ? { candidate_list: 1 } : {},
        },
      }),
    });
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    for (const { samples } of await fleet.closed()) {
      const preferred = samples.map(({ components }) => components['preferred'] ?? NaN);
      expect(preferred).toEqual(preferred.toSorted((a, b) => a - b));
      const [, second = NaN, third = NaN, best = NaN] = preferred;
      const wanted = [-1, 0.25 + 2 * second, 0.25 + 2 * third, 0.25 + 2 * best - 0.5];
      for (const [index, { reward }] of samples.entries()) expect(reward).toBeCloseTo(wanted[index] ?? NaN, 12);
    }
  });

  it('asks the judge about the tie at the top only, where the point-wise reward comes first', async () => {
    fleet = await startGroupwiseFleet({
      recipe: {
        scorer: '{ kind: pairwise, judge: main, pointwise_first: { top_only: true } }',
        rewards: '{ exact_match: 1, preferred: 1 }',
        steps: 1,
      },
      worker: (task) => ({
        result: { reward: [1, 0, 1, 0][task.sampleIndex] ?? 0, prediction: `quality=${3 - task.sampleIndex}` },
      }),
    });
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    for (const { samples, judged } of await fleet.closed()) {
      expect(judged['preferred']).toMatchObject({ planned: 1, judgements: 2 });
      const [top = NaN, low = NaN, second = NaN, lower = NaN] = samples.map(
        ({ components }) => components['preferred'],
      );
      expect(top).toBeGreaterThan(second);
      expect(second).toBeGreaterThan(low);
      expect(low).toBe(lower);
    }
  });

  it('ranks transcripts as a list, read from the trajectories', async () => {
    fleet = await startGroupwiseFleet({
      recipe: { scorer: '{ kind: listwise, judge: main, compared: transcript, passes: 2 }', steps: 1 },
      worker: (task) => ({
        result: { reward: 0, prediction: 'the same' },
        payload: transcriptOf(`<think>quality=${task.sampleIndex}</think>`, '<answer>the same</answer>'),
      }),
    });
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    const closed = await fleet.closed();
    expect(closed).toHaveLength(3);
    for (const { samples, judged } of closed) {
      expect(judged['preferred']).toMatchObject({ planned: 2, judgements: 2 });
      expect(samples.map(({ reward }) => reward)).toEqual([0, 1 / 3, 2 / 3, 1]);
    }
  });

  it('says what is wrong with trajectories that do not hold what was scored', async () => {
    fleet = await startGroupwiseFleet({
      recipe: { scorer: '{ kind: pairwise, judge: main, compared: transcript }', steps: 1 },
      worker: () => ({
        result: { reward: 0 },
        payload: gzipSync(toBinary(TrajectorySchema, create(TrajectorySchema))),
      }),
    });
    await fleet.submit('run-a');
    const { state, message } = await fleet.ended('run-a');
    expect(state).toBe(RunState.FAILED);
    expect(message).toMatch(
      /^the trajectory of sample [0-9a-f]{64} does not hold what was scored: .* update the workers/,
    );
  });
});

describe('a recipe that declares scorers', () => {
  it('is refused by a coordinator that has no reward service, with what to do', async () => {
    fleet = await startGroupwiseFleet({ config: { reward: undefined } });
    await expect(fleet.submit('run-a')).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining(
        'the recipe declares scorers (preferred), and this coordinator has no reward service: start it with --reward HOST:PORT',
      ),
    });
  });

  it('is refused when the reward service does not have its judge', async () => {
    fleet = await startGroupwiseFleet({ recipe: { scorer: '{ kind: pairwise, judge: other }' } });
    await expect(fleet.submit('run-a')).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining(
        'the reward service does not have judge other of scorers.preferred; it has judge main',
      ),
    });
  });
});

/** What a worker leaves on the stream, without the tokens. */
function transcriptOf(...texts: string[]): Uint8Array {
  const segments = texts.map((text) => create(SegmentSchema, { kind: SegmentKind.MODEL, text }));
  const item = create(ScoreItemSchema, { turns: texts.map((text) => ({ text })) });
  const recorded = packScore(segments, { item, score: create(ScoreSchema) });
  return gzipSync(toBinary(TrajectorySchema, create(TrajectorySchema, { segments, ...recorded })));
}
