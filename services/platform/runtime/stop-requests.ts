export type StopSignal = 'SIGINT' | 'SIGTERM';

/**
 * What a signal asks for:
 * - `stop`: the first of its kind, drain.
 * - `repeat`: the same request once more, as a terminal and a parent may both pass it on.
 * - `end`: somebody does not want to wait for the drain.
 */
export type StopRequest = 'stop' | 'repeat' | 'end';

const sameRequestMs = 300;

/** `now` is monotonic, in milliseconds. */
export function createStopRequests(now: () => number): (signal: StopSignal) => StopRequest {
  const seenMs = new Map<StopSignal, number>();
  return (signal) => {
    const firstMs = seenMs.get(signal);
    if (firstMs !== undefined) return now() - firstMs > sameRequestMs ? 'end' : 'repeat';
    seenMs.set(signal, now());
    return 'stop';
  };
}
