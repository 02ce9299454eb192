import { afterEach, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { startCoordinatorFleet } from './fleet.ts';

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  await fleet.stop();
});

const recipe = `
name: test
seed: 3
model: { path: model }
data: { files: { train: train.jsonl, held_out: held-out.jsonl, corpus: corpus.jsonl } }
eval: { questions: 2 }
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 288, max_new_tokens: 48, tool_timeout_ms: 100, turn_timeout_ms: 200, rollout_timeout_ms: 1000 }
    deadlines: { group_ms: 20000, step_ms: 40000 }
    rewards: { exact_match: 1 }
    batch: { groups: 2, group_size: 4 }
    until: { steps: 2 }
`;

describe('a second run on the same fleet', () => {
  it('P5: loads its own weights as a newer version, although it begins anew and versions only grow', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, policyVersion: 2n });
    await fleet.submit('run-b');
    expect(await fleet.ended('run-b')).toMatchObject({ state: RunState.FINISHED, policyVersion: 5n, message: '' });

    expect(fleet.loaded.map(({ version }) => version)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(fleet.loaded[3]?.weightsPath).toBe(fleet.loaded[0]?.weightsPath);
    expect(fleet.loaded[4]?.weightsPath).toContain('run-b');
    const ofSecond = fleet.seen.filter((task) => task.runId === 'run-b');
    expect(Math.min(...ofSecond.map((task) => Number(task.policyVersion)))).toBe(3);
    expect((await fleet.summary('run-b')).rollouts).toMatchObject({ lost: 0, duplicated: 0 });
  });
});
