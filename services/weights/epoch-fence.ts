import { TerminalError } from '#platform/errors.ts';

/** Refuses leaders of the past: each leader of a run sends its epoch, which is higher than that of every one before it. */
export interface EpochFence {
  /** The highest that was admitted; 0 before any. */
  readonly highest: bigint;
  /** Throws TerminalError for an epoch below the highest so far, and for one that no number counts exactly: it would lock every later leader out. */
  admit(epoch: bigint): void;
}

/** As gradus_learner/serve/epoch_fence.py. */
export function createEpochFence(): EpochFence {
  let highest = 0n;
  return {
    get highest() {
      return highest;
    },
    admit(epoch) {
      if (epoch > BigInt(Number.MAX_SAFE_INTEGER))
        throw new TerminalError('invalid_argument', `epoch is ${epoch}; it must be at most 2^53 - 1`);
      if (epoch < highest) {
        throw new TerminalError(
          'failed_precondition',
          `epoch is ${epoch}, but a coordinator of epoch ${highest} leads; restart this service if the ledger was begun anew`,
        );
      }
      highest = epoch;
    },
  };
}
