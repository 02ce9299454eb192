import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { FailureClass, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { createFailureTally } from './failure-budget.ts';
import { createGroupCollector } from './group-collector.ts';
import { goldRow } from '../../../tests/fixtures/gold-item.ts';

function begin(groups: string) {
  const [stage] = parseRecipe(
    `
name: test
model: { path: m }
data: { world: {} }
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 100, max_new_tokens: 10 }
    rewards: { xml: 1 }
    batch: { groups: 2, group_size: 4 }
    groups: ${groups}
    until: { steps: 1 }
`,
    'test.yaml',
  ).stages;
  if (stage?.kind !== 'rl') throw new Error('no stage');
  const tally = createFailureTally(stage, 0);
  const collector = createGroupCollector({
    onDeadline: 'retry',
    attempts: 1,
    groupMs: 1000,
    version: 0,
    maxStaleness: 0,
    retryAfterMs: 1,
  });
  const taskIds = ['a', 'b', 'c', 'd'];
  collector.add({ groupId: 'g', draw: 0, row: goldRow({}), taskIds, seed: 0n }, 0);
  const answer = (taskId: string, failure: FailureClass, reward?: number) => {
    const result = create(RolloutResultSchema, {
      taskId,
      failure,
      failureDetail: failure === FailureClass.UNSPECIFIED ? '' : 'why',
      ...(reward !== undefined && { reward }),
    });
    tally.result(result, collector.accept(result, 1));
  };
  return { tally, collector, answer, check: () => tally.check(collector.groups) };
}

describe('the budget of failures', () => {
  it('P2: names scorer, judge, reason and fix when groups got no scores', () => {
    const { tally, collector, answer, check } = begin('{ max_infrastructure_failures: 0.25 }');
    expect(tally.unscoredGroups()).toBe('');
    answer('a', FailureClass.ROLLOUT_TIMEOUT);
    for (const sample of collector.groups[0]?.samples ?? []) sample.state = 'absent';
    const detail = '6 of 6 comparisons are missing: refused 6';
    for (let group = 0; group < 2; group++)
      tally.unscored({ scorer: 'preferred', judge: 'main', reason: 'refused', detail });
    expect(check).toThrow(
      'stage one, step 1: 4 of 8 rollouts failed by infrastructure, more than groups.max_infrastructure_failures (0.25) allows: 2 groups got no scores of preferred from judge main: refused (last: 6 of 6 comparisons are missing: refused 6); see the model and key of judges.main: its endpoint refuses the questions; rollout_timeout 1 (last: why); fix it, then resume the run',
    );
  });

  it('P2: allows its share of a step, and names the classes beyond', () => {
    const { answer, check } = begin('{ max_infrastructure_failures: 0.25 }');
    answer('a', FailureClass.ROLLOUT_TIMEOUT);
    answer('b', FailureClass.POLICY_UNAVAILABLE);
    expect(check).not.toThrow();
    answer('c', FailureClass.POLICY_UNAVAILABLE);
    expect(check).toThrow(
      'stage one, step 1: 3 of 8 rollouts failed by infrastructure, more than groups.max_infrastructure_failures (0.25) allows: policy_unavailable 2, rollout_timeout 1 (last: why); fix it, then resume the run',
    );
  });

  it('forgives what was absent before a resume', () => {
    const { tally, collector, answer, check } = begin('{ max_infrastructure_failures: 0 }');
    answer('a', FailureClass.INTERNAL);
    expect(check).toThrow('1 of 8 rollouts failed by infrastructure');
    tally.begin(collector.groups);
    expect(check).not.toThrow();
  });

  it('does not count what was given up on purpose', () => {
    const { collector, check } = begin('{ max_infrastructure_failures: 0 }');
    collector.giveUp();
    expect(check).not.toThrow();
  });

  it('says so when no answer came at all', () => {
    const { collector, check } = begin('{ max_infrastructure_failures: 0.25 }');
    collector.takeSettled(1000);
    expect(check).toThrow('4 of 8 rollouts failed by infrastructure');
    expect(check).toThrow('no answer came before the deadline of their groups');
  });

  it('counts faults of the policy apart, all of them allowed unless the recipe says otherwise', () => {
    const open = begin('{ attempts: 1 }');
    for (const taskId of ['a', 'b', 'c', 'd']) open.answer(taskId, FailureClass.MALFORMED_TURN, 0);
    expect(open.check).not.toThrow();
    const { answer, check } = begin('{ max_data_failures: 0.125 }');
    answer('a', FailureClass.TURN_LIMIT, 0);
    answer('b', FailureClass.UNSPECIFIED, 1);
    expect(check).not.toThrow();
    answer('c', FailureClass.MALFORMED_TURN, 0);
    expect(check).toThrow('2 of 8 rollouts failed by data, more than groups.max_data_failures (0.125) allows');
  });
});
