/** What a run decided, read from its ledger. */
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { startCoordinatorFleet } from './fleet.ts';

type Ledgers = Pick<Awaited<ReturnType<typeof startCoordinatorFleet>>, 'ledger'>;

/** Stage step by task id, of everything that was opened. */
export async function stepsOfTasks(fleet: Ledgers, runId: string): Promise<Map<string, number>> {
  const steps = new Map<string, number>();
  for (const { fact } of await fleet.ledger(runId)) {
    if (fact.case !== 'groupOpened' || fact.value.purpose !== Purpose.TRAIN) continue;
    for (const taskId of fact.value.taskIds) steps.set(taskId, fact.value.step);
  }
  return steps;
}

/** The order of what a run decided, without times and places. */
export async function courseOf(fleet: Ledgers, runId: string): Promise<unknown[]> {
  return (await fleet.ledger(runId)).map(({ fact }) => {
    switch (fact.case) {
      case 'groupOpened':
        return [fact.case, fact.value.step, fact.value.questionId, fact.value.groupId, fact.value.taskIds];
      case 'groupClosed':
        return [fact.case, fact.value.groupId, fact.value.fate, fact.value.samples.map((s) => [s.taskId, s.reward])];
      case 'stepFormed':
        return [
          fact.case,
          Number(fact.value.step),
          fact.value.samples.map((s) => [s.taskId, s.reward, s.advantage.toFixed(6)]),
        ];
      default:
        return [fact.case];
    }
  });
}

/** What was trained on, by step. */
export async function batchesOf(fleet: Ledgers, runId: string): Promise<unknown[]> {
  return (await courseOf(fleet, runId)).filter((entry) => Array.isArray(entry) && entry[0] === 'stepFormed');
}

/** How many batches were decided. */
export const formedSteps = async (fleet: Ledgers, runId: string) => (await batchesOf(fleet, runId)).length;
