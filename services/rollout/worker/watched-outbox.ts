import { overdueAfter, type RolloutWaits } from '../episode/rollout-waits.ts';
import type { Outbox } from './outbox.ts';

/** An outbox whose publications the watchdog knows. `timeoutMs` is that of one publication. */
export function watchedOutbox(outbox: Outbox, waits: RolloutWaits, timeoutMs: number): Outbox {
  const expectedMs = overdueAfter(timeoutMs);
  return {
    trajectory: (task, ...rest) =>
      waits.during({ what: 'publish.trajectory', subject: task.taskId, expectedMs }, () =>
        outbox.trajectory(task, ...rest),
      ),
    result: (result, ...rest) =>
      waits.during({ what: 'publish.result', subject: result.taskId, expectedMs }, () =>
        outbox.result(result, ...rest),
      ),
  };
}
