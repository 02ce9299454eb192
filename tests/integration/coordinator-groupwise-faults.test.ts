import { afterEach, describe, expect, it } from 'vitest';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { shownTexts } from '../fakes/scripted-judge.ts';
import type { ScriptedJudgeOptions } from '../fakes/scripted-judge.ts';
import { createCoordinatorProcesses } from './coordinator-process.ts';
import { answering, gate, qualityOf, startGroupwiseFleet } from './groupwise-run.ts';
import type { GroupwiseFleet } from './groupwise-run.ts';
import { isTraining } from './played-worker.ts';
import { until } from './until.ts';

const processes = createCoordinatorProcesses();
let fleet: GroupwiseFleet;
afterEach(async () => {
  processes.killAll();
  await fleet.stop();
});

type JudgeRequest = Parameters<NonNullable<ScriptedJudgeOptions['script']>>[0];
const questionOf = (request: JudgeRequest) => shownTexts(request).find(({ name }) => name === 'QUESTION')?.text ?? '';
const messageOf = async () => (await fleet.coordinator.client.getRun({ runId: 'run-a' })).message;
const answered = () => fleet.seen.filter(isTraining).length;
const finished = { state: RunState.FINISHED, message: '' };

/** No group is closed twice, and every rollout is accounted for. */
async function expectWhole(groups: number) {
  const closed = await fleet.closed();
  expect(new Set(closed.map(({ groupId }) => groupId)).size).toBe(closed.length);
  expect(closed).toHaveLength(groups);
  const { rollouts } = await fleet.summary('run-a');
  expect(rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0, failedInfra: 0 });
}

describe('a judge that is away', () => {
  it('P2: is waited for, and the run says so; no reward is invented and none is lost', async () => {
    let away = true;
    fleet = await startGroupwiseFleet({
      recipe: { steps: 1 },
      judge: { script: () => (away ? 'server_error' : undefined) },
    });
    await fleet.submit('run-a');
    await until(async () =>
      /^scoring 3 groups: preferred from judge main: (unavailable|circuit_open) \(6 of 6 comparisons are missing: /.test(
        await messageOf(),
      ),
    );
    expect(await fleet.closed()).toEqual([]);
    away = false;
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    const closed = await fleet.closed();
    expect(closed.map(({ fate }) => fate)).toEqual(Array.from({ length: 3 }, () => GroupFate.KEPT));
    await expectWhole(3);
    expect(await fleet.coordinator.metrics.render()).toMatch(
      /gradus_coordinator_retries_total\{service="reward"\} [1-9]/,
    );
  });

  it('P2: for good ends the run, which names judge, reason and fix; resumed, it asks again and generates nothing again', async () => {
    let away = true;
    fleet = await startGroupwiseFleet({
      recipe: { steps: 1, groups: '{ on_deadline: retry, max_infrastructure_failures: 0.1 }' },
      judge: { script: () => (away ? 'server_error' : undefined) },
      config: { patienceMs: 500 },
    });
    await fleet.submit('run-a');
    const { state, message } = await fleet.ended('run-a');
    expect(state).toBe(RunState.FAILED);
    expect(message).toMatch(/^stage one, step 1: \d+ of 12 rollouts failed by infrastructure, more than /);
    expect(message).toMatch(
      /: \d groups? got no scores of preferred from judge main: (unavailable|circuit_open) \(last: 6 of 6 comparisons are missing: .*\); see that the reward service runs and that judge main answers at its base_url; mend it, then resume the run$/,
    );
    // Not closed: the rollouts are there, only their scores are not.
    expect(await fleet.closed()).toEqual([]);
    const generated = fleet.seen.length;
    away = false;
    await fleet.submit('run-a', fleet.coordinator.client, true);
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    await expectWhole(3);
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
    await expectWhole(4);
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
    await expectWhole(3);
  });
});

describe('a reward service that goes away', () => {
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
      /^scoring 3 groups: preferred from judge main: (unavailable|cancelled) /.test(await messageOf()),
    );
    hold.open();
    await fleet.restartReward();
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    await expectWhole(3);
  });
});

describe('a run whose coordinator dies while the reward service is away', () => {
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
      (await messageOf()).startsWith('scoring 3 groups: preferred from judge main: unavailable '),
    );
    hold.open();
    await fleet.restartReward();
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    await expectWhole(3);
  });
});

describe('groups that are being scored', () => {
  it('P1: are scored by the next coordinator when theirs is killed; none is closed twice, none is lost', async () => {
    const hold = gate();
    let first: string | undefined;
    fleet = await startGroupwiseFleet({
      judge: {
        script: async (request) => {
          first ??= questionOf(request);
          if (questionOf(request) !== first) await hold.opened;
          return undefined;
        },
      },
    });
    const leader = await processes.spawn(fleet, '--reward', fleet.rewardAddress, '--coordinator-id', 'first');
    await fleet.submit('run-a', leader.client);
    await until(async () => (await fleet.closed()).length === 1 && answered() === 12);
    leader.child.kill('SIGKILL');
    leader.client.close();
    hold.open();
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    const closed = await fleet.closed();
    expect(closed.map(({ fate }) => fate)).toEqual(Array.from({ length: 6 }, () => GroupFate.KEPT));
    for (const { samples } of closed) {
      const byQuality = samples
        .toSorted((a, b) => qualityOf(a.taskId) - qualityOf(b.taskId))
        .map(({ reward }) => reward);
      expect(byQuality).toEqual(byQuality.toSorted((a = NaN, b = NaN) => a - b));
    }
    await expectWhole(6);
    expect(new Set(fleet.seen.map(({ taskId }) => taskId)).size).toBe(fleet.seen.length);
  });

  it('P5: hold up neither the rollouts of the next batch nor its scores, and make nothing staler than it may be', async () => {
    const hold = gate();
    let first: string | undefined;
    fleet = await startGroupwiseFleet({
      recipe: { staleness: 1, steps: 3 },
      judge: {
        script: async (request) => {
          first ??= questionOf(request);
          if (questionOf(request) === first) await hold.opened;
          return undefined;
        },
      },
    });
    await fleet.submit('run-a');
    await until(async () => answered() === 24 && (await fleet.closed()).length === 5);
    expect(fleet.learner.applied).toEqual([]);
    hold.open();
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    await expectWhole(9);
    const lines = (await fleet.metricsLines('run-a')).filter((line: { kind: string }) => line.kind === 'step');
    expect(Math.max(...lines.map((line: Record<string, number>) => line['off_policy/max'] ?? 0))).toBe(1);
    expect(await fleet.coordinator.metrics.render()).not.toContain('reception="stale"');
  });

  it('are left when the run is stopped now, with no question on its way; resumed, it asks again', async () => {
    const hold = gate();
    fleet = await startGroupwiseFleet({
      recipe: { steps: 1 },
      judge: { script: () => hold.opened.then(() => undefined) },
    });
    await fleet.submit('run-a');
    await until(() => fleet.judge.running > 0 && answered() === 12);
    expect(await fleet.coordinator.client.stopRun({ runId: 'run-a', now: true })).toMatchObject({
      state: RunState.STOPPED,
    });
    await until(() => fleet.judge.running === 0);
    expect(await fleet.closed()).toEqual([]);
    hold.open();
    await fleet.submit('run-a', fleet.coordinator.client, true);
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    await expectWhole(3);
    expect(answered()).toBe(12);
  });

  it('belong to the step that a stop waits for', async () => {
    const hold = gate();
    fleet = await startGroupwiseFleet({ judge: { script: () => hold.opened.then(() => undefined) } });
    await fleet.submit('run-a');
    await until(() => fleet.judge.running > 0);
    const stopped = fleet.coordinator.client.stopRun({ runId: 'run-a', now: false });
    await until(async () => (await messageOf()).startsWith('stopping after this step; scoring'));
    hold.open();
    expect(await stopped).toMatchObject({ state: RunState.STOPPED });
    expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1]);
  });

  it('P3: are named when they take too long', async () => {
    const hold = gate();
    fleet = await startGroupwiseFleet({
      recipe: { steps: 1, deadlines: '{ group_ms: 4000, step_ms: 60000 }' },
      judge: { script: () => hold.opened.then(() => undefined) },
    });
    await fleet.submit('run-a');
    await until(async () =>
      /; waiting \d+ s for the scores of group [0-9a-f]{8}: preferred from judge main; 2 more overdue$/.test(
        await messageOf(),
      ),
    );
    hold.open();
    expect(await fleet.ended('run-a')).toMatchObject(finished);
  });

  it('P3: are absent at the deadline of their step, and the run ends with what to change', async () => {
    const hold = gate();
    fleet = await startGroupwiseFleet({
      recipe: { steps: 1, deadlines: '{ group_ms: 5000, step_ms: 10000 }' },
      judge: { script: () => hold.opened.then(() => undefined) },
    });
    await fleet.submit('run-a');
    const { state, message } = await fleet.ended('run-a');
    expect(state).toBe(RunState.FAILED);
    expect(message).toMatch(
      /got no scores of preferred from judge main: deadline \(last: the deadline of the step \(deadlines.step_ms: 10000\) has passed\); raise deadline_ms /,
    );
    hold.open();
    await fleet.submit('run-a', fleet.coordinator.client, true);
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    await expectWhole(3);
  });

  it('P2: with one sample that came back have no reward: it is given up, which is no failure', async () => {
    let odd: string | undefined;
    fleet = await startGroupwiseFleet({
      recipe: {
        steps: 1,
        deadlines: '{ group_ms: 4000, step_ms: 40000 }',
        groups: '{ on_deadline: shrink, min_group: 1, max_infrastructure_failures: 0 }',
      },
      worker: (task, version) => {
        if (isTraining(task)) odd ??= task.groupId;
        return task.groupId === odd && task.sampleIndex > 0 ? { copies: 0 } : answering(task, version);
      },
    });
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject(finished);
    const closed = await fleet.closed();
    const lone = closed.find(({ groupId }) => groupId === odd);
    expect(lone).toMatchObject({ fate: GroupFate.DROPPED, judged: {} });
    expect(lone?.samples.every(({ reward, cancelled }) => reward === undefined && cancelled)).toBe(true);
    await expectWhole(4);
  });
});
