import { afterEach, describe, expect, it } from 'vitest';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { qualityOf, startGroupwiseFleet } from './groupwise-run.ts';
import type { GroupwiseFleet } from './groupwise-run.ts';

let fleet: GroupwiseFleet;
afterEach(async () => {
  await fleet.stop();
});

describe('a run with a pairwise reward', () => {
  it('closes each group with rewards in the order of quality, and trains with them', async () => {
    fleet = await startGroupwiseFleet();
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    expect(end).toMatchObject({ state: RunState.FINISHED, message: '' });
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
    const [step] = (await fleet.metricsLines('run-a')).filter((line: { kind: string }) => line.kind === 'step');
    expect(step).toMatchObject({ 'judge/judgements': 36, 'judge/missing': 0, 'judge/inconsistency': 0 });
    expect(step['reward/preferred']).toBeCloseTo(0.5);
    expect(step['reward/mean']).toBeCloseTo(0.5);
    expect(step['time/group_scoring']).toBeGreaterThan(0);
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, duplicated: 0, failedInfra: 0 });
  }, 60_000);
});
