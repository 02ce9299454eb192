import { CancelledError } from '../errors.ts';

export interface DeadlineSignal extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * A signal that aborts with `parent`, or with the first of several, or with `deadline_exceeded` after `milliseconds`. Dispose it when the wait is
 * over, else its timer lives until it fires: `using deadline = deadlineSignal(signal, 5_000)`. `Infinity` leaves the end to
 * `parent`. `what` names the wait in the message of the error.
 */
export function deadlineSignal(
  parent: AbortSignal | readonly AbortSignal[] | undefined,
  milliseconds: number,
  what = 'the wait',
): DeadlineSignal {
  const controller = new AbortController();
  const parents = parent instanceof AbortSignal ? [parent] : (parent ?? []);
  const onParentAbort = (): void => controller.abort(parents.find(({ aborted }) => aborted)?.reason);
  if (parents.some(({ aborted }) => aborted)) onParentAbort();
  else for (const each of parents) each.addEventListener('abort', onParentAbort, { once: true });
  const expire = (): void =>
    controller.abort(new CancelledError('deadline_exceeded', `${what} took longer than ${milliseconds} ms`));
  // A timer of more than 24 days fires at once.
  const timer = milliseconds === Infinity ? undefined : setTimeout(expire, milliseconds);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      for (const each of parents) each.removeEventListener('abort', onParentAbort);
    },
  };
}
