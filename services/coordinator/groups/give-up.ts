import { errorFrom } from '#platform/errors.ts';
import { cancelTasks } from '#platform/nats/cancel.ts';
import type { Sample } from './group.ts';
import type { RunContext } from '../run-context.ts';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { nextStageStep } from '#run/ledger/run-state.ts';

/**
 * Takes the tasks of samples out of the queue and stops what runs. Nothing depends on it: a task that is missed runs in
 * vain, and its result is redundant. So a failure is reported and ignored. A coordinator that does not lead the run any more cancels nothing:
 * the next leader waits for these samples.
 */
export async function cancelSamples(
  context: Pick<RunContext, 'nats' | 'runId' | 'log' | 'events' | 'confirmLead'>,
  samples: readonly Pick<Sample, 'taskId' | 'sequence'>[],
  reason: string,
): Promise<void> {
  if (samples.length === 0) return;
  try {
    await context.confirmLead();
    const removed = await cancelTasks(context.nats, context.runId, samples, reason);
    context.log.info({ asked: samples.length, removed, reason }, 'rollouts are cancelled');
  } catch (thrown) {
    context.log.warn({ err: errorFrom(thrown), asked: samples.length, reason }, 'rollouts could not be cancelled');
  }
  context.events.rolloutsCancelled(samples.length);
}

/**
 * Closes the groups of batches that will not be formed, because the stage is over, and cancels what is missing of them. From
 * the ledger alone, so that a resumed run finds the same ones.
 */
export async function closeSurplusGroups(context: RunContext): Promise<void> {
  const { state } = context.ledger;
  const next = nextStageStep(state);
  const open = [...state.groups.values()].flatMap(({ opened, closed }) =>
    closed === undefined && opened.purpose === Purpose.TRAIN && opened.step >= next ? [opened] : [],
  );
  for (const { groupId, taskIds } of open) {
    await context.ledger.append({
      case: 'groupClosed',
      value: { groupId, fate: GroupFate.SURPLUS, samples: taskIds.map((taskId) => ({ taskId, cancelled: true })) },
    });
    context.events.groupClosed(GroupFate.SURPLUS, 0);
  }
  const samples = open.flatMap(({ taskIds }) => taskIds.map((taskId) => ({ taskId, sequence: undefined })));
  await cancelSamples(context, samples, 'the stage is over');
}
