import { afterEach, describe, expect, it } from 'vitest';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { createCoordinatorProcesses } from './process.ts';
import { expectWhole, finished, gate, messageOf, questionOf, startGroupwiseFleet } from './groupwise-run.ts';
import type { GroupwiseFleet } from './groupwise-run.ts';
import { isTraining } from './played-worker.ts';
import { until } from '../until.ts';

const processes = createCoordinatorProcesses();
let fleet: GroupwiseFleet;
afterEach(async () => {
  processes.killAll();
  await fleet.stop();
});

describe('a judge that is unavailable', () => {
  it('P2: is waited for, and the run says so; no reward is invented and none is lost', async () => {
    let down = true;
    fleet = await startGroupwiseFleet({
      recipe: { steps: 1 },
      judge: { script: () => (down ? 'server_error' : undefined) },
    });
    await fleet.submit('run-a');
    await until(async () =>
      /^scoring 3 groups: preferred from judge main: (unavailable|circuit_open) \(6 of 6 comparisons are missing: /.test(
        await messageOf(fleet),
      ),
    );
    expect(await fleet.closed()).toEqual([]);
    down = false;
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    const closed = await fleet.closed();
    expect(closed.map(({ fate }) => fate)).toEqual(Array.from({ length: 3 }, () => GroupFate.KEPT));
    await expectWhole(fleet, 3);
    expect(await fleet.coordinator.metrics.render()).toMatch(
      /gradus_coordinator_retries_total\{service="reward"\} [1-9]/,
    );
  });

  it('P2: for good ends the run, which names judge, reason and fix; resumed, it asks again and generates nothing again', async () => {
    let down = true;
    fleet = await startGroupwiseFleet({
      recipe: { steps: 1, groups: '{ on_deadline: retry, max_infrastructure_failures: 0.1 }' },
      judge: { script: () => (down ? 'server_error' : undefined) },
      config: { maxOutageMs: 500 },
    });
    await fleet.submit('run-a');
    const { state, message } = await fleet.ended('run-a');
    expect(state).toBe(RunState.FAILED);
    expect(message).toMatch(/^stage one, step 1: \d+ of 12 rollouts failed by infrastructure, more than /);
    expect(message).toMatch(
      /: \d groups? got no scores of preferred from judge main: (unavailable|circuit_open) \(last: 6 of 6 comparisons are missing: .*\); see that the reward service runs and that judge main answers at its base_url; fix it, then resume the run$/,
    );
    // Not closed: the rollouts are there, only their scores are not.
    expect(await fleet.closed()).toEqual([]);
    const generated = fleet.seen.length;
    down = false;
    await fleet.submit('run-a', fleet.coordinator.client, true);
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    await expectWhole(fleet, 3);
    // The evaluation after the stage, and nothing else.
    expect(fleet.seen.slice(generated).filter(isTraining)).toEqual([]);
  });

  it('P2: that does not answer in its form about one group costs that group, which is replaced', async () => {
    let odd: string | undefined;
    fleet = await startGroupwiseFleet({
      recipe: { steps: 1, groups: '{ on_deadline: retry, attempts: 2 }' },
      judge: {
        script: (request) => {
          odd ??= questionOf(request);
          return questionOf(request) === odd ? 'garbage' : undefined;
        },
      },
    });
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    const closed = await fleet.closed();
    const dropped = closed.filter(({ fate }) => fate === GroupFate.DROPPED);
    expect(dropped).toHaveLength(1);
    expect(dropped[0]?.samples.every(({ reward, cancelled }) => reward === undefined && !cancelled)).toBe(true);
    expect(dropped[0]?.judged['preferred']).toMatchObject({ missing: 6, absences: { unparsable: 12 } });
    await expectWhole(fleet, 4);
  });

  it('aggregates what is there, where the recipe says so', async () => {
    let odd: string | undefined;
    fleet = await startGroupwiseFleet({
      recipe: { scorer: '{ kind: pairwise, judge: main, partial: aggregate }', steps: 1 },
      judge: {
        script: (request) => {
          const said = JSON.stringify(request.messages);
          odd ??= said;
          return said.includes(odd.slice(0, -2)) ? 'garbage' : undefined;
        },
      },
    });
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    const judged = (await fleet.closed()).map((group) => group.judged['preferred']?.missing);
    expect(judged.toSorted((a = NaN, b = NaN) => a - b)).toEqual([0, 0, 1]);
    await expectWhole(fleet, 3);
  });
});

describe('a reward service that becomes unavailable', () => {
  it('P2: is waited for and asked again', async () => {
    const hold = gate();
    fleet = await startGroupwiseFleet({
      recipe: { steps: 1 },
      judge: { script: () => hold.opened.then(() => undefined) },
    });
    await fleet.submit('run-a');
    await until(() => fleet.judge.running > 0);
    await fleet.stopReward();
    await until(async () =>
      /^scoring 3 groups: preferred from judge main: (unavailable|cancelled) /.test(await messageOf(fleet)),
    );
    hold.open();
    await fleet.restartReward();
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    await expectWhole(fleet, 3);
  });
});

describe('a run whose coordinator dies while the reward service is unavailable', () => {
  it('P1: is taken over all the same, and waits there', async () => {
    const hold = gate();
    fleet = await startGroupwiseFleet({
      recipe: { steps: 1 },
      judge: { script: () => hold.opened.then(() => undefined) },
    });
    const leader = await processes.spawn(fleet, '--reward', fleet.rewardAddress);
    await fleet.submit('run-a', leader.client);
    await until(() => fleet.judge.running > 0);
    await fleet.stopReward();
    leader.child.kill('SIGKILL');
    leader.client.close();
    await until(async () =>
      (await messageOf(fleet)).startsWith('scoring 3 groups: preferred from judge main: unavailable '),
    );
    hold.open();
    await fleet.restartReward();
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    await expectWhole(fleet, 3);
  });
});
