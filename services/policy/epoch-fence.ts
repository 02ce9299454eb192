import { TerminalError } from '#platform/errors.ts';

/** Refuses leaders of the past: each leader of a run sends its epoch, which is higher than that of every one before it. */
export interface EpochFence {
  /** Throws for an epoch below the highest so far, 0 included; before the first leader came, 0 is anybody's. */
  admit(epoch: bigint): void;
}

export function createEpochFence(): EpochFence {
  let highest = 0n;
  return {
    admit(epoch) {
      if (epoch < highest) {
        throw new TerminalError(
          'failed_precondition',
          `epoch is ${epoch}, but a coordinator of epoch ${highest} leads; restart this service if the ledger was begun anew`,
        );
      }
      if (epoch > highest) highest = epoch;
    },
  };
}
