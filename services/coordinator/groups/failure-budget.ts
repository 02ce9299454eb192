import { failureWord } from '#trajectory/enum-words.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { TrainingStage } from '#stages/kit/training-fields.ts';
import { describeMissing } from '../groupwise/group-scores.ts';
import type { MissingScores } from '../groupwise/group-scores.ts';
import type { ClosedInit } from './gather-plan.ts';
import type { Reception } from './group-collector.ts';
import type { Group } from './group.ts';

/** What failed in a step, against the shares that the recipe allows. A failure ends the run rather than become a reward (P2). */
export interface FailureTally {
  /** What is absent from before a resume is forgiven: the resumed run asks anew. */
  begin(groups: readonly Group[]): void;
  result(result: RolloutResult, reception: Reception): void;
  /** A group's samples did not get a groupwise component. */
  unscored(missing: MissingScores): void;
  /** What became of groupwise scores, for people; empty when none are missing. */
  unscoredGroups(): string;
  /**
   * Throws TerminalError('failed_precondition') with the classes that failed most. `closing`: groups that are about to be closed, and
   * what their close will say.
   */
  check(groups: readonly Group[], closing?: readonly Closing[]): void;
}

export interface Closing {
  readonly group: Group;
  readonly closed: ClosedInit;
}

export function createFailureTally(stage: TrainingStage, stageStep: number): FailureTally {
  const infrastructure = new Map<FailureClass, number>();
  const data = new Map<FailureClass, number>();
  let dataFailures = 0;
  let forgiven = 0;
  let lastDetail = '';
  const missing: { count: number; last: MissingScores | undefined } = { count: 0, last: undefined };
  const unscoredGroups = () => (missing.last === undefined ? '' : describeMissing(missing.last, missing.count));

  function fail(count: number, rollouts: number, kind: 'infrastructure' | 'data'): never {
    const [key, classes] =
      kind === 'infrastructure'
        ? (['max_infrastructure_failures', infrastructure] as const)
        : (['max_data_failures', data] as const);
    const limit = stage.groups[key];
    const top = [...classes]
      .sort(([, a], [, b]) => b - a)
      .slice(0, 3)
      .map(([failure, times]) => `${failureWord(failure)} ${times}`);
    const unscored = kind === 'infrastructure' ? unscoredGroups() : '';
    const answers =
      top.length === 0 && unscored === '' ? 'no answer came before the deadline of their groups' : top.join(', ');
    const seen = [unscored, answers].filter(Boolean).join('; ');
    throw new TerminalError(
      'failed_precondition',
      `stage ${stage.name}, step ${stageStep + 1}: ${count} of ${rollouts} rollouts failed by ${kind}, more than groups.${key} (${limit}) allows: ${seen}${
        lastDetail === '' ? '' : ` (last: ${lastDetail})`
      }; ${kind === 'infrastructure' ? 'fix it' : 'see the rollouts'}, then resume the run`,
    );
  }

  return {
    begin(groups) {
      forgiven = absences(groups);
    },
    unscored(scores) {
      missing.count += 1;
      missing.last = scores;
    },
    unscoredGroups,
    result(result, reception) {
      if (reception === 'failed' || reception === 'refused') {
        infrastructure.set(result.failure, (infrastructure.get(result.failure) ?? 0) + 1);
        lastDetail = result.failureDetail.slice(0, 200);
      }
      if (reception !== 'counted' || result.failure === FailureClass.UNSPECIFIED) return;
      data.set(result.failure, (data.get(result.failure) ?? 0) + 1);
      dataFailures += 1;
    },
    check(groups, closing = []) {
      const planned = stage.batch.groups * stage.batch.group_size;
      const rollouts = Math.max(planned, groups.length * stage.batch.group_size);
      const absent = absences(groups) + losses(closing) - forgiven;
      if (absent > stage.groups.max_infrastructure_failures * rollouts) fail(absent, rollouts, 'infrastructure');
      if (dataFailures > stage.groups.max_data_failures * rollouts) fail(dataFailures, rollouts, 'data');
    },
  };
}

function absences(groups: readonly Group[]): number {
  let count = 0;
  for (const group of groups)
    for (const sample of group.samples) if (sample.state === 'absent' && !sample.cancelled) count += 1;
  return count;
}

/** Samples that came back, and get no reward. */
function losses(closing: readonly Closing[]): number {
  return closing.reduce((sum, { group, closed }) => {
    const lost = closed.samples.filter(({ taskId, reward, cancelled }) => {
      const sample = group.samples.find((candidate) => candidate.taskId === taskId);
      return sample?.state === 'done' && reward === undefined && !cancelled;
    });
    return sum + lost.length;
  }, 0);
}

/** Code of the user ends the run at once: no attempt would go otherwise. */
export function endedByUserCode({ runId, taskId, failure, failureDetail }: RolloutResult): TerminalError {
  const changed = failure === FailureClass.USER_SCORER ? 'scorers' : 'environment';
  // Nothing that the run stands on changes when a key is set or a server is set up right.
  const accepting = failure === FailureClass.POLICY_REFUSED ? '' : ` --accept-changed ${changed}`;
  return new TerminalError(
    'failed_precondition',
    `rollout ${taskId}: ${failureDetail}; fix it, then 'gradus resume ${runId}${accepting}'`,
    { details: { task: taskId } },
  );
}
