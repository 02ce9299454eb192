import { describe, expect, it } from 'vitest';
import { CancelledError, TerminalError, TransientError } from '#platform/errors.ts';
import { retryInPlace } from './retry-in-place.ts';

const budget = { retries: 2, baseDelayMs: 1 };
const busy = () => new TransientError('resource_exhausted', 'busy', { retryAfterMs: 1 });
const away = () => new TransientError('unavailable', 'down', { retryAfterMs: 1 });

/** Fails with each error in turn, then gives 'done'. */
function failing(errors: readonly Error[]) {
  const left = [...errors];
  let calls = 0;
  return {
    calls: () => calls,
    run: async (): Promise<string> => {
      calls += 1;
      const error = left.shift();
      if (error !== undefined) throw error;
      return 'done';
    },
  };
}

describe('retryInPlace', () => {
  const { signal } = new AbortController();
  const reported: string[] = [];

  it('repeats a transient failure as often as its budget says, and reports each time', async () => {
    const call = failing([away(), away()]);
    expect(await retryInPlace(call.run, budget, signal, (error) => reported.push(error.code))).toBe('done');
    expect(reported).toEqual(['unavailable', 'unavailable']);
    const hopeless = failing([away(), away(), away()]);
    await expect(retryInPlace(hopeless.run, budget, signal, () => {})).rejects.toThrow('down');
    expect(hopeless.calls()).toBe(3);
  });

  it('does not count a busy peer as a failure', async () => {
    expect(await retryInPlace(failing([busy(), busy(), busy(), busy(), away()]).run, budget, signal, () => {})).toBe(
      'done',
    );
  });

  it('takes a call that the other side cut off for a failure of the other side', async () => {
    expect(
      await retryInPlace(
        failing([new CancelledError('cancelled', 'the server stopped')]).run,
        budget,
        signal,
        () => {},
      ),
    ).toBe('done');
  });

  it('P3: stops at once when its own signal aborts', async () => {
    const controller = new AbortController();
    const call = failing(
      Array.from({ length: 9 }, () => new TransientError('resource_exhausted', 'busy', { retryAfterMs: 60_000 })),
    );
    const running = retryInPlace(call.run, budget, controller.signal, () => controller.abort());
    await expect(running).rejects.toMatchObject({ name: 'CancelledError' });
    expect(call.calls()).toBe(1);
  });

  it('does not repeat what must fail again', async () => {
    const call = failing([new TerminalError('invalid_argument', 'no')]);
    await expect(retryInPlace(call.run, budget, signal, () => {})).rejects.toThrow('no');
    expect(call.calls()).toBe(1);
  });
});
