import { create } from '@bufbuild/protobuf';
import { afterEach, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import {
  DescribeResponseSchema,
  EngineOutput,
  EngineState,
  type DescribeResponse,
} from '#proto/policy/v1/policy_pb.ts';
import { LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { rewardOf } from './played-worker.ts';
import { oneStage, twoStages } from './two-stage-run.ts';

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  await fleet.stop();
});

const bare = {
  address: '10.0.0.7:7001',
  state: EngineState.UP,
  server: 'plain 2.1',
  output: EngineOutput.TOKENS,
  advice: ['Start it with --logprobs'],
};
const full = {
  address: '10.0.0.8:7001',
  state: EngineState.UP,
  output: EngineOutput.LOGPROBS,
  logprobKind: LogprobKind.TEMPERED,
};
const list = (...engineList: object[]): DescribeResponse => create(DescribeResponseSchema, { engineList });

const evaluation = oneStage
  .replace('name: one', 'name: look\n    kind: eval')
  .replace(/ {4}(batch|until): .*\n/g, '')
  .replace('group_ms: 20000, step_ms: 40000', 'group_ms: 20000');

it('P2: a run that trains is not begun with engines that give no log-probabilities, and hears which and what to switch on', async () => {
  fleet = await startCoordinatorFleet({ recipe: twoStages, described: () => list(bare) });
  await expect(fleet.submit('run-a')).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringContaining(
      'stage one cannot begin: 10.0.0.7:7001 (plain 2.1) gives token ids without log-probabilities, and training needs these. Start it with --logprobs',
    ),
  });
  expect(await fleet.ledger('run-a')).toEqual([]);
});

it.each([
  [
    'raw log-probabilities of tempered turns',
    list({ ...full, logprobKind: LogprobKind.RAW }),
    /gives raw log-probabilities, and the stage samples at temperature 0.7/,
  ],
  ['text', list({ ...full, output: EngineOutput.TEXT }), /gives text alone/],
  ['weights that stay', list({ ...full, fixedWeights: true }), /has weights that cannot be replaced/],
  [
    'an endpoint in the place of engines',
    create(DescribeResponseSchema, { output: EngineOutput.TEXT }),
    /the policy gives text alone/,
  ],
])('P2: nor with %s', async (_what, described, problem) => {
  fleet = await startCoordinatorFleet({
    recipe: twoStages.replace('    until:', '    sampling: { temperature: 0.7 }\n    until:'),
    described: () => described,
  });
  await expect(fleet.submit('run-a')).rejects.toThrow(problem);
});

it('evaluates with them', async () => {
  fleet = await startCoordinatorFleet({ recipe: evaluation, described: () => list({ ...bare, fixedWeights: true }) });
  await fleet.submit('run-a');
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, message: '' });
});

it('P10: waits for an engine that can and is down, next to one that cannot, and ends where only the latter is left', async () => {
  let described = list(bare, { ...full, state: EngineState.DOWN, problem: 'plain 2.1 starts anew' });
  let asked = 0;
  fleet = await startCoordinatorFleet({ recipe: twoStages, described: () => ((asked += 1), described) });
  await fleet.submit('run-a');
  // Once as the run is submitted, then by its stage.
  await expect.poll(() => asked, { timeout: 60_000 }).toBeGreaterThan(2);
  described = list(bare, full);
  expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);

  described = list(bare, { ...full, state: EngineState.DRAINING });
  await expect(fleet.submit('run-b')).rejects.toThrow(
    /10.0.0.7:7001 .* without log-probabilities.*; 10.0.0.8:7001 is being removed/,
  );
});

it('trains with one that can next to one that cannot, and ends where none is left as a stage begins; it goes on once there is one', async () => {
  let described = list(bare, full);
  fleet = await startCoordinatorFleet({
    recipe: twoStages,
    described: () => described,
    worker: (task) => {
      if (task.stage === 'one') described = list(bare);
      return { result: { reward: rewardOf(task) } };
    },
  });
  await fleet.submit('run-a');
  const failed = await fleet.ended('run-a');
  expect(failed).toMatchObject({
    state: RunState.FAILED,
    message: expect.stringContaining('stage two cannot begin: 10.0.0.7:7001'),
  });
  described = list(bare, full);
  await fleet.submit('run-a', fleet.coordinator.client, true);
  expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
});
