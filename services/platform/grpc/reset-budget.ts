/**
 * How many calls of one HTTP/2 connection may be cancelled at a time. Servers take a flood of resets for an attack (CVE-2023-44487)
 * and close the connection, with every call on it: Node's after 1,000 and then 33 a second. A reset over the budget waits; its
 * caller does not, the peer only learns it later.
 */
export interface ResetBudget {
  /** Resets that can be sent at once. */
  readonly available: number;
  /** Sends the reset now, or as soon as the budget allows. Gives the function that withdraws one that still waits. */
  spend(reset: () => void): () => void;
  /** Sends no more: for a connection that is closed. */
  close(): void;
}

/** Within Node's own limits of a server (`streamResetBurst`, `streamResetRate`), with room for calls that reach their deadline. */
const burst = 800;
const perSecond = 30;

export function createResetBudget(now: () => number = () => performance.now()): ResetBudget {
  const waiting = new Set<() => void>();
  let tokens = burst;
  let filledMs = now();
  let timer: NodeJS.Timeout | undefined;

  function refill(): void {
    const atMs = now();
    tokens = Math.min(burst, tokens + ((atMs - filledMs) / 1000) * perSecond);
    filledMs = atMs;
  }

  function sendWaiting(): void {
    timer = undefined;
    refill();
    for (const reset of waiting) {
      if (tokens < 1) break;
      tokens -= 1;
      waiting.delete(reset);
      reset();
    }
    if (waiting.size > 0) schedule();
  }

  function schedule(): void {
    // Anyone who waits for nothing else may end: the connection goes with the process.
    timer ??= setTimeout(sendWaiting, Math.ceil(1000 / perSecond)).unref();
  }

  return {
    get available() {
      refill();
      return Math.max(0, Math.floor(tokens) - waiting.size);
    },
    spend(reset) {
      refill();
      if (waiting.size === 0 && tokens >= 1) {
        tokens -= 1;
        reset();
        return () => undefined;
      }
      waiting.add(reset);
      schedule();
      return () => void waiting.delete(reset);
    },
    close() {
      clearTimeout(timer);
      waiting.clear();
    },
  };
}
