export interface LiveTurns {
  /** Its signal aborts with Abort, and when the same request comes again: its caller gave up on the first. */
  track(requestId: string): { readonly signal: AbortSignal; done(): void };
  /** False when no such request is running or waiting. */
  abort(requestId: string): boolean;
}

/** Turns by their request's id, which is what Abort names. */
export function createLiveTurns(): LiveTurns {
  const live = new Map<string, AbortController>();
  return {
    track(requestId) {
      live.get(requestId)?.abort();
      const controller = new AbortController();
      live.set(requestId, controller);
      return {
        signal: controller.signal,
        done() {
          if (live.get(requestId) === controller) live.delete(requestId);
        },
      };
    },
    abort(requestId) {
      const found = live.get(requestId);
      found?.abort();
      return found !== undefined;
    },
  };
}
