import { CancelledError } from '../errors.ts';

export interface DeadlineSignal extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * A signal that aborts with `parent`, or with `deadline_exceeded` after `milliseconds`. Dispose it when the wait is
 * over, else its timer lives until it fires: `using deadline = deadlineSignal(signal, 5_000)`. `Infinity` leaves the end to
 * `parent`. `what` names the wait in the message of the error.
 */
export function deadlineSignal(
  parent: AbortSignal | undefined,
  milliseconds: number,
  what = 'the wait',
): DeadlineSignal {
  const controller = new AbortController();
  const onParentAbort = (): void => controller.abort(parent?.reason);
  if (parent?.aborted === true) onParentAbort();
  else parent?.addEventListener('abort', onParentAbort, { once: true });
  const expire = (): void =>
    controller.abort(new CancelledError('deadline_exceeded', `${what} took longer than ${milliseconds} ms`));
  // A timer of more than 24 days fires at once.
  const timer = milliseconds === Infinity ? undefined : setTimeout(expire, milliseconds);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      parent?.removeEventListener('abort', onParentAbort);
    },
  };
}
