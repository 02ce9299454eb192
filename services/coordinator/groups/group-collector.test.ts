import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FailureClass, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { createGroupCollector } from './group-collector.ts';
import type { CollectorPolicy } from './group-collector.ts';
import { goldRow } from '../../../tests/fixtures/gold-item.ts';

const policy: CollectorPolicy = {
  onDeadline: 'retry',
  attempts: 3,
  groupMs: 1000,
  version: 2,
  maxStaleness: 0,
  retryAfterMs: 100,
};
const plan = (name: string, size: number, draw = 0) => ({
  groupId: name,
  draw,
  row: goldRow({}),
  taskIds: Array.from({ length: size }, (_, index) => `${name}${index}`),
  seed: 0n,
});
const good = (taskId: string, attempt = 0, version = 2n) =>
  create(RolloutResultSchema, { taskId, attempt, versions: { first: version, last: version } });
const infra = (taskId: string, attempt = 0) =>
  create(RolloutResultSchema, { taskId, attempt, failure: FailureClass.ROLLOUT_TIMEOUT });
const states = (collector: ReturnType<typeof createGroupCollector>) =>
  collector.groups.flatMap((group) => group.samples.map((sample) => sample.state));

describe('a collector', () => {
  it('P1: counts a task once', () => {
    const collector = createGroupCollector(policy);
    collector.add(plan('a', 2), 0);
    expect(collector.accept(good('a0'), 1)).toBe('counted');
    expect(collector.accept(good('a0'), 2)).toBe('redundant');
    expect(collector.accept(infra('a0', 1), 3)).toBe('redundant');
    expect(collector.accept(good('x'), 4)).toBe('unknown');
    expect(collector.takeSettled(5)).toEqual([]);
    collector.accept(good('a1'), 6);
    expect(collector.takeSettled(7).map((group) => group.plan.groupId)).toEqual(['a']);
    expect(collector.takeSettled(8)).toEqual([]);
  });

  it('P2: asks again after a failure of infrastructure, later each time, then calls the sample absent', () => {
    const collector = createGroupCollector(policy);
    collector.add(plan('a', 1), 0);
    expect(collector.accept(infra('a0', 0), 0)).toBe('failed');
    expect(collector.nextDeadlineMs()).toBe(100);
    expect(collector.takeDue(99)).toEqual([]);
    expect(collector.takeDue(100).map(({ sample }) => sample.attempt)).toEqual([1]);
    expect(collector.accept(infra('a0', 0), 110)).toBe('redundant');
    collector.accept(infra('a0', 1), 120);
    expect(collector.nextDeadlineMs()).toBe(320);
    expect(collector.takeDue(320).map(({ sample }) => sample.attempt)).toEqual([2]);
    collector.accept(infra('a0', 2), 400);
    expect(states(collector)).toEqual(['absent']);
    expect(collector.takeSettled(401)[0]?.samples[0]?.result).toBeUndefined();
    expect(collector.accept(good('a0', 2), 402)).toBe('redundant');
  });

  it('takes a late success of an earlier attempt while it waits for a further one', () => {
    const collector = createGroupCollector(policy);
    collector.add(plan('a', 1), 0);
    collector.accept(infra('a0', 0), 0);
    expect(collector.accept(good('a0', 0), 50)).toBe('counted');
    expect(collector.takeDue(1000)).toEqual([]);
  });

  it('P5: refuses a sample of an older version', () => {
    const collector = createGroupCollector(policy);
    collector.add(plan('a', 1), 0);
    expect(collector.accept(good('a0', 0, 1n), 1)).toBe('stale');
    expect(states(collector)).toEqual(['waiting']);
    expect(createGroupCollector({ ...policy, maxStaleness: 1 }).accept(good('a0', 0, 1n), 1)).toBe('unknown');
  });

  it('P3: asks again for what is missing at the deadline of its group, until the attempts are used up', () => {
    const collector = createGroupCollector(policy);
    collector.add(plan('a', 2), 0);
    collector.accept(good('a0'), 10);
    let now = 0;
    let asked = 0;
    while (collector.takeSettled(now).length === 0) {
      asked += collector.takeDue(now).length;
      now = collector.nextDeadlineMs();
      expect(now).toBeLessThan(5000);
    }
    expect(asked).toBe(2);
    expect(states(collector)).toEqual(['done', 'absent']);
  });

  it.each(['shrink', 'drop'] as const)('P3: gives up what is missing at the deadline under %s', (onDeadline) => {
    const collector = createGroupCollector({ ...policy, onDeadline });
    collector.add(plan('a', 2), 0);
    collector.accept(good('a0'), 10);
    expect(collector.takeSettled(999)).toEqual([]);
    expect(collector.takeSettled(1000)).toHaveLength(1);
    expect(collector.openSamples()).toBe(0);
  });

  it('names each task that nobody waits for any more, once', () => {
    const collector = createGroupCollector({ ...policy, onDeadline: 'shrink' });
    collector.add(plan('a', 3), 0);
    collector.accept(good('a1'), 10);
    expect(collector.takeAbandoned()).toEqual([]);
    const [group] = collector.takeSettled(1000);
    expect(collector.takeAbandoned().map(({ taskId }) => taskId)).toEqual(['a0', 'a2']);
    expect(collector.takeAbandoned()).toEqual([]);
    expect(group?.samples.map(({ cancelled }) => cancelled)).toEqual([true, false, true]);
  });

  it('cancels what was asked for as often as it may, without calling it given up on purpose', () => {
    const collector = createGroupCollector({ ...policy, attempts: 1 });
    collector.add(plan('a', 1), 0);
    const [group] = collector.takeSettled(1000);
    expect(collector.takeAbandoned().map(({ taskId }) => taskId)).toEqual(['a0']);
    expect(group?.samples[0]?.cancelled).toBe(false);
  });

  describe('with stragglers', () => {
    const hurried = { ...policy, groupMs: 100_000, stragglerAfter: 3 };
    const almost = () => {
      const collector = createGroupCollector(hurried);
      collector.add(plan('a', 4), 0);
      for (const [index, at] of [100, 200, 300].entries()) collector.accept(good(`a${index}`), at);
      return collector;
    };

    it('asks for the last sample once more after a multiple of the median, and once only', () => {
      const collector = almost();
      expect(collector.nextDeadlineMs()).toBe(600);
      expect(collector.takeDue(599)).toEqual([]);
      expect(collector.takeDue(600).map(({ sample }) => [sample.taskId, sample.attempt])).toEqual([['a3', 1]]);
      expect(collector.takeDue(10_000)).toEqual([]);
    });

    it.each([0, 1])('P1: takes the first answer, be it of attempt %i, and drops the other attempt', (attempt) => {
      const collector = almost();
      collector.takeDue(600);
      expect(collector.accept(good('a3', attempt), 700)).toBe('counted');
      expect(collector.accept(good('a3', 1 - attempt), 701)).toBe('redundant');
      expect(collector.takeAbandoned().map(({ taskId }) => taskId)).toEqual(['a3']);
      expect(collector.takeSettled(702)).toHaveLength(1);
    });

    it('waits while more than a few are missing', () => {
      const collector = createGroupCollector(hurried);
      collector.add(plan('a', 4), 0);
      collector.accept(good('a0'), 100);
      collector.accept(good('a1'), 100);
      expect(collector.takeDue(50_000)).toEqual([]);
    });
  });

  it('does not charge an attempt that the queue refused as known', () => {
    const collector = createGroupCollector({ ...policy, attempts: 1 });
    const group = collector.add(plan('a', 1), 0);
    const [sample] = group.samples;
    if (sample === undefined) throw new Error('no sample');
    for (let known = 0; known < 3; known++) {
      collector.skipAttempt(sample, 10);
      expect(collector.takeDue(10)).toHaveLength(1);
    }
    expect(sample.attempt).toBe(3);
    collector.accept(infra('a0', 3), 20);
    expect(sample.state).toBe('absent');
  });

  it('gives up everything when it is asked to', () => {
    const collector = createGroupCollector(policy);
    collector.add(plan('a', 3), 0);
    collector.giveUp();
    expect(collector.takeSettled(1)[0]?.samples.every((sample) => sample.state === 'absent')).toBe(true);
  });

  it('P1: whatever arrives, in whatever order, counts each task at most once and settles in bounded time', () => {
    const arrival = fc.record({
      task: fc.integer({ min: 0, max: 3 }),
      attempt: fc.integer({ min: 0, max: 4 }),
      kind: fc.constantFrom('good', 'infra', 'stale'),
    });
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 40 }), (arrivals) => {
        const collector = createGroupCollector(policy);
        const group = collector.add(plan('a', 4), 0);
        const counted = new Map<string, number>();
        let now = 0;
        for (const { task, attempt, kind } of arrivals) {
          now += 37;
          collector.takeDue(now);
          collector.takeSettled(now);
          const taskId = `a${task}`;
          const result = kind === 'infra' ? infra(taskId, attempt) : good(taskId, attempt, kind === 'stale' ? 1n : 2n);
          if (collector.accept(result, now) === 'counted') counted.set(taskId, (counted.get(taskId) ?? 0) + 1);
        }
        for (let round = 0; round < 20 && group.settledAtMs === undefined; round++) {
          now = Math.max(now, collector.nextDeadlineMs());
          collector.takeDue(now);
          collector.takeSettled(now);
        }
        expect(group.settledAtMs).toBeDefined();
        for (const count of counted.values()) expect(count).toBe(1);
        for (const sample of group.samples) expect(sample.state).toBe(counted.has(sample.taskId) ? 'done' : 'absent');
      }),
    );
  });
});
