/** Bounds that a recipe and the services which it starts share: what passes a dry run must not end a process. */
export const fleetBounds = {
  /** Rollouts at once in one worker. */
  workerConcurrency: 4096,
  /** Engines behind one gateway. */
  engines: 256,
  /** Processes of one learner on a machine. */
  ranks: 64,
  /** Sequences at once in a scripted engine. */
  scriptedRunning: 65_536,
  /** Sequences at once in the built-in engine (services/learner, engine/config.py). */
  builtinRunning: 4096,
} as const;

/** Where something computes: the CPU, the first GPU that is seen, or a GPU by its number. */
export const deviceName = /^(?:cpu|cuda(?::\d{1,3})?)$/;

/** Timers of longer than 2^31 - 1 ms fire at once: no wait may be configured longer. */
export const longestWaitMs = 24 * 24 * 3600_000;

/** Longest time that a fleet and its runs wait for room on a full disk. */
export const mostFullMs = 30 * 60_000;
