import type { CancelTasks } from '#proto/rollout/v1/cancel_pb.ts';
import { CancelledError } from '#platform/errors.ts';

/** Rollouts of this worker that the coordinator may cancel. */
export interface Cancellations {
  /** Aborts when this task is cancelled; `sequence` is its position in the queue. Dispose it when the task is settled. */
  watch(runId: string, taskId: string, sequence: number): Disposable & { readonly signal: AbortSignal };
  cancel(word: CancelTasks): void;
}

interface Watched {
  readonly sequence: number;
  readonly controller: AbortController;
}

export function createCancellations(): Cancellations {
  // The same task may run here twice: it was published again, or delivered again.
  const watched = new Map<string, Set<Watched>>();

  return {
    watch(runId, taskId, sequence) {
      const key = `${runId}/${taskId}`;
      const entry = { sequence, controller: new AbortController() };
      const entries = watched.get(key) ?? new Set();
      watched.set(key, entries.add(entry));
      return {
        signal: entry.controller.signal,
        [Symbol.dispose]() {
          entries.delete(entry);
          if (entries.size === 0 && watched.get(key) === entries) watched.delete(key);
        },
      };
    },
    cancel({ runId, taskIds, throughSequence, reason }) {
      for (const taskId of taskIds) {
        for (const { sequence, controller } of watched.get(`${runId}/${taskId}`) ?? []) {
          if (BigInt(sequence) <= throughSequence) controller.abort(new CancelledError('cancelled', reason));
        }
      }
    },
  };
}
