import { afterEach, describe, expect, it } from 'vitest';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { createCoordinatorProcesses } from './process.ts';
import {
  answering,
  expectWhole,
  finished,
  gate,
  messageOf,
  qualityOf,
  questionOf,
  startGroupwiseFleet,
} from './groupwise-run.ts';
import type { GroupwiseFleet } from './groupwise-run.ts';
import { isTraining } from './played-worker.ts';
import { until } from '../until.ts';

const processes = createCoordinatorProcesses();
let fleet: GroupwiseFleet;
afterEach(async () => {
  processes.killAll();
  await fleet.stop();
});

const answered = () => fleet.seen.filter(isTraining).length;

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
    await expectWhole(fleet, 6);
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
    await expectWhole(fleet, 9);
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
    await expectWhole(fleet, 3);
    expect(answered()).toBe(12);
  });

  it('belong to the step that a stop waits for', async () => {
    const hold = gate();
    fleet = await startGroupwiseFleet({ judge: { script: () => hold.opened.then(() => undefined) } });
    await fleet.submit('run-a');
    await until(() => fleet.judge.running > 0);
    const stopped = fleet.coordinator.client.stopRun({ runId: 'run-a', now: false });
    await until(async () => (await messageOf(fleet)).startsWith('stopping after this step; scoring'));
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
        await messageOf(fleet),
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
    await expectWhole(fleet, 3);
  });

  it('P2: with one sample that came back have no reward: it is given up, which is not a failure', async () => {
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
    await expectWhole(fleet, 4);
  });
});
