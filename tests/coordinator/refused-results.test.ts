import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { TransientError } from '#platform/errors.ts';
import { parseRunSummary } from '../../services/run/directory/run-summary.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { createCoordinatorProcesses } from './process.ts';
import { fourSteps as recipe } from '../stages/one-stage-run.ts';
import { isTraining, rewardOf } from './played-worker.ts';
import type { Play } from './played-worker.ts';
import { until } from '../until.ts';

const processes = createCoordinatorProcesses();
let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  processes.killAll();
  await fleet.stop();
});

async function fileOf(name: string): Promise<string> {
  return await readFile(join(fleet.directoryOf('run-a'), name), 'utf8');
}

/** Every number that the run reported is one, and its summary can be read. */
async function expectNumbers(): Promise<void> {
  for (const line of await fleet.metricsLines('run-a'))
    for (const [name, value] of Object.entries(line)) expect(value, name).not.toBeNull();
  parseRunSummary(await fileOf('summary.json'), 'summary.json');
}

describe('results that cannot be', () => {
  it('P1, P2: are failures of their attempts, said and counted, and never end a run', async () => {
    const impossible: readonly NonNullable<Play['result']>[] = [
      { reward: NaN },
      { reward: Infinity },
      { reward: 1e9 },
      { components: { f1: 1 } },
      { reward: 1, trajectorySequence: 0n },
      { reward: 1, trajectorySequence: 1n },
      { reward: 1, trajectorySequence: 999_999n },
      { reward: 1, trajectorySequence: 2n ** 63n },
    ];
    const bad = new Set<string>();
    fleet = await startCoordinatorFleet({ recipe });
    fleet.setWorker((task) => {
      const result = isTraining(task) && task.attempt === 0 ? impossible[bad.size] : undefined;
      if (result === undefined) return { result: { reward: rewardOf(task) } };
      bad.add(task.taskId);
      return { result };
    });
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 4 });
    const summary = await fleet.summary('run-a');
    expect(summary.rollouts).toMatchObject({
      refused: 8,
      lost: 0,
      duplicated: 0,
      redundant: 0,
      failedInfra: 0,
      open: 0,
    });
    expect(summary.rollouts.completed).toBe(summary.rollouts.published);
    expect(summary.refused).toEqual(
      expect.arrayContaining([
        'components."exact_match": NaN; components and detectors are 0 to 1',
        'components."exact_match": missing; the stage\'s composition reads it',
        'trajectory_sequence: 999999; no trajectory of this task lies there',
      ]),
    );
    const refused = (await fleet.ledger('run-a')).flatMap(({ fact }) =>
      fact.case === 'resultRefused' ? [fact.value.taskId] : [],
    );
    expect(new Set(refused)).toEqual(bad);
    expect(refused).toHaveLength(8);
    const metrics = await fleet.coordinator.metrics.render();
    expect(metrics).toContain('gradus_results_received_total{reception="refused"} 8');
    expect(metrics).not.toContain('reception="failed"');
    await expectNumbers();
  });

  it('P1: stay refused under the next leader, which counts the attempt after them', async () => {
    let bad = '';
    let hold = true;
    fleet = await startCoordinatorFleet({ recipe });
    const leader = await processes.spawn(fleet, '--coordinator-id', 'first');
    fleet.setWorker((task) => {
      if (isTraining(task) && bad === '') bad = task.taskId;
      if (task.taskId !== bad) return { result: { reward: rewardOf(task) } };
      if (task.attempt === 0) return { result: { reward: 1, trajectorySequence: 999_999n } };
      return hold ? { keep: true } : { result: { reward: 1 } };
    });
    await fleet.submit('run-a', leader.client);
    const attempts = () => fleet.seen.filter(({ taskId }) => taskId === bad).map(({ attempt }) => attempt);
    await until(() => attempts().includes(1));
    leader.child.kill('SIGKILL');
    leader.client.close();
    // Both attempts are answered before the next leader reads: the lease of the dead one has to run out first.
    hold = false;
    await fleet.handBack();
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 4 });
    const facts = async (name: string) => (await fleet.ledger('run-a')).filter(({ fact }) => fact.case === name);
    expect(await facts('runResumed')).toHaveLength(1);
    expect(await facts('resultRefused')).toHaveLength(1);
    expect(Math.max(...attempts())).toBe(1);
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ refused: 1, lost: 0, duplicated: 0, redundant: 0 });
  });

  it('P3, P10: are not waited for when they are found out after the deadline of their step', async () => {
    fleet = await startCoordinatorFleet({
      recipe: recipe
        .replace('group_ms: 20000, step_ms: 40000', 'group_ms: 5900, step_ms: 6000')
        .replace('until: { steps: 4 }', 'groups: { max_infrastructure_failures: 1 }\n    until: { steps: 1 }'),
    });
    let victim = '';
    let bad = '';
    fleet.setWorker((task) => {
      const result = { reward: task.sampleIndex % 2 };
      if (!isTraining(task)) return { result };
      if (victim === '') victim = task.groupId;
      // Of one group a rollout never comes, so that it is settled by the deadline, and another is none.
      if (task.groupId !== victim || task.sampleIndex > 1) return { result };
      if (task.sampleIndex === 0 || task.attempt > 0) return { copies: 0 };
      bad = task.taskId;
      return { result: { ...result, trajectorySequence: 999_999n } };
    });
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 1 });
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ refused: 1, lost: 0, open: 0 });
    expect(fleet.seen.filter(({ taskId }) => taskId === bad).map(({ attempt }) => attempt)).toEqual([0]);
  });
});

describe('metrics of the learner that are no finite numbers', () => {
  it('P9: are named in the line of the step and in the summary, and never written', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    // A learner leaves out what is not finite, and names it; one that does not is not believed.
    fleet.learner.moreMetrics = (step) =>
      step === 2 ? { loss: NaN, updates_skipped: 2, token_mismatches: 0 } : { updates_skipped: 1, token_mismatches: 3 };
    fleet.learner.absentMetrics = (step) => (step === 2 ? { grad_norm: 'inf', policy_drift: 'nan' } : {});
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 4 });
    const lines = await fleet.metricsLines('run-a');
    expect(lines.flatMap((line: object) => ('not_finite' in line ? [line] : []))).toMatchObject([
      { step: 2, not_finite: ['grad_norm', 'loss', 'train/policy_drift'] },
    ]);
    expect((await fleet.summary('run-a')).stages[0].warnings).toEqual([
      expect.stringMatching(/^grad_norm was not a finite number in 1 step, first in step 2: /),
      expect.stringMatching(/^loss was not a finite number in 1 step, first in step 2: /),
      expect.stringMatching(/^train\/policy_drift was not a finite number in 1 step, first in step 2: /),
      expect.stringMatching(/^5 updates were left out .* \(first in step 1\)$/),
      expect.stringMatching(/^9 samples were left out .* \(first in step 1\)$/),
    ]);
    await expectNumbers();
  });
});

describe('files that the learner wrote and finds damaged', () => {
  it('P9: are in the ledger once and in the summary, also when they are found in the middle of a run', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    const { learner } = fleet;
    const damage = '/r/checkpoints/step-000001/model.safetensors: expected SHA-256 a, found b';
    learner.beforeStep = async () => void (learner.damaged = [damage]);
    // After each it is opened again.
    for (let time = 0; time < 2; time++) learner.failNext(new TransientError('unavailable', 'it broke'), 'after');
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 4 });
    expect(learner.opened).toHaveLength(3);
    const facts = (await fleet.ledger('run-a')).filter(({ fact }) => fact.case === 'filesDamaged');
    expect(facts).toMatchObject([{ fact: { value: { files: [damage] } } }]);
    expect((await fleet.summary('run-a')).damagedFiles).toEqual([damage]);
  });
});
