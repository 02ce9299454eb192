import { overdueAfter, type RolloutWaits } from '../episode/rollout-waits.ts';
import type { Outbox } from './outbox.ts';

/** An outbox whose publications the watchdog knows. `timeoutMs` is that of one publication. */
export function watchedOutbox(outbox: Outbox, waits: RolloutWaits, timeoutMs: number): Outbox {
  const expectedMs = overdueAfter(timeoutMs);
  return {
    trajectory(task, ...rest) {
      const watched = waits.begin({ what: 'publish.trajectory', subject: task.taskId, expectedMs });
      return outbox.trajectory(task, ...rest).finally(() => watched[Symbol.dispose]());
    },
    result(result, ...rest) {
      const watched = waits.begin({ what: 'publish.result', subject: result.taskId, expectedMs });
      return outbox.result(result, ...rest).finally(() => watched[Symbol.dispose]());
    },
  };
}
