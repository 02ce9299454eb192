/** A policy that learns to please the reward and unlearns the task, as workers would report it. */
import { afterEach, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { fourSteps } from '../stages/one-stage-run.ts';
import { isTraining } from './played-worker.ts';
import type { Worker } from './played-worker.ts';

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  await fleet.stop();
});

const recipe = fourSteps.replace('groups: 3', 'groups: 6').replace('questions: 6 }', 'questions: 6, greedy: false }');

/** The reward of a quarter of the samples, then of three; held-out answers right at first, then none. */
const hacking: Worker = (task, version) => {
  const late = version >= 2;
  if (!isTraining(task)) return { result: { reward: late ? 0 : 1 } };
  const paid = (task.sampleIndex === 0) !== late;
  return { result: { reward: paid ? 1 : 0, detectors: late && paid ? { candidate_list: 0.5 } : {} } };
};

describe('a run whose policy hacks its reward', () => {
  it('says so in its status, its metrics and its summary, with both numbers', async () => {
    fleet = await startCoordinatorFleet({ recipe, worker: hacking });
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    expect(end).toMatchObject({ state: RunState.FINISHED, message: '' });
    const warning =
      'the reward rises while sampled.exact_match falls: reward 0.250 -> 0.750, sampled.exact_match 1.000 -> 0.000 (before to after)';
    expect(end.warnings).toEqual({ 'reward_diverges/sampled.exact_match': warning });
    expect(end.detectors).toEqual({ candidate_list: 0.375 });

    const lines = await fleet.metricsLines('run-a');
    const column = (name: string) => lines.map((line: Record<string, number>) => line[name]);
    // before, baseline, four steps, after
    expect(column('detector/reward_diverges')).toEqual([0, undefined, 0, 0, 0, 0, 1]);
    expect(column('detector/candidate_list')).toEqual([undefined, undefined, 0, 0, 0.75, 0.75, undefined]);
    expect(column('detector/candidate_list/mean').slice(2, 6)).toEqual([0, 0, 0.375, 0.375]);
    expect(column('sampled.detector.candidate_list').at(-1)).toBe(0);

    const { stages } = await fleet.summary('run-a');
    expect(stages[0]).toMatchObject({ detectors: { candidate_list: 0.375 }, warnings: [warning] });
  });
});
