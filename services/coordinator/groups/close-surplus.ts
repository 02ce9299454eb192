import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { nextStageStep } from '#run/ledger/run-state.ts';
import { cancelSamples } from './cancel-samples.ts';
import type { RunContext } from '../run-context.ts';

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
