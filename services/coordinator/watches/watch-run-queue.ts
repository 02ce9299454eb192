import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import { watchQueue } from '#platform/nats/watch-queue.ts';
import type { RunContext } from '../run-context.ts';

/** Keeps the task queue in order for as long as the run is led here: stale consumers, and tasks that nobody waits for. */
export async function watchRunQueue(context: RunContext, signal: AbortSignal): Promise<void> {
  await watchQueue(context.nats, {
    runId: context.runId,
    isOver: (task) => isOver(context, task),
    confirmLead: context.confirmLead,
    signal,
    onRepaired: (purpose) => context.events.consumerRepaired(purpose),
  });
}

/**
 * The ledger keeps the groups of what is in progress, and has each before its tasks are published: one that it does not keep is of a
 * step or an evaluation that has ended.
 */
function isOver(
  { ledger, progress }: Pick<RunContext, 'ledger' | 'progress'>,
  { groupId, taskId }: RolloutTask,
): boolean {
  const record = ledger.state.groups.get(groupId);
  if (record === undefined || record.closed !== undefined) return true;
  for (const { collector } of progress.current.gatherings()) {
    const group = collector.groups.find(({ plan }) => plan.groupId === groupId);
    const sample = group?.samples.find((each) => each.taskId === taskId);
    if (sample !== undefined) return sample.state === 'done';
  }
  return false;
}
