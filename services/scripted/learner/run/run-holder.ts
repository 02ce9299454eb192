import { createSemaphore } from '#platform/async/semaphore.ts';
import type { OpenRun } from './open-run.ts';

/** The one open run, and the lock under which it changes: one call after another, as in a learner with one device. */
export function createRunHolder() {
  const lock = createSemaphore(1);
  let run: OpenRun | undefined;
  return {
    get run(): OpenRun | undefined {
      return run;
    },
    hold(next: OpenRun): void {
      run = next;
    },
    inOrder: <T>(fn: () => Promise<T>): Promise<T> => lock.run(fn),
  };
}

export type RunHolder = ReturnType<typeof createRunHolder>;
