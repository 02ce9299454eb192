import { createSemaphore } from '#platform/async/semaphore.ts';
import { throwIfCancelled } from '#platform/errors.ts';
import type { Absence, Question } from '../judge/question.ts';
import type { Judge, Verdict } from '../judge/judge.ts';

export type GroupAsk = <T>(
  question: Question<T>,
) => Promise<Verdict<T> | Absence | { readonly kind: 'absent'; readonly reason: 'deadline' }>;

/**
 * The judge as one group sees it: at most `groupConcurrency` questions at once, and the deadline of the group makes an
 * absence. Throws `CancelledError` when `caller` aborts: then nobody wants the group any more.
 */
export function createGroupAsk(judge: Judge, deadline: AbortSignal, caller: AbortSignal): GroupAsk {
  const slots = createSemaphore(judge.settings.groupConcurrency);
  return async (question) => {
    try {
      return await slots.run(() => judge.ask(question, deadline), deadline);
    } catch (thrown) {
      throwIfCancelled(caller);
      if (deadline.aborted) return { kind: 'absent', reason: 'deadline' };
      throw thrown;
    }
  };
}
