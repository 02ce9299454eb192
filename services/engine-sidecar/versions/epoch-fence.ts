import { TerminalError } from '#platform/errors.ts';

/** Refuses leaders of the past: each leader of a run sends its epoch, which is higher than that of every one before it. */
export interface EpochFence {
  /** 0, which is no leader's, is never checked: gateways bring engines up to the wanted version for nobody in particular. */
  admit(epoch: bigint): void;
}

export function createEpochFence(): EpochFence {
  let highest = 0n;
  return {
    admit(epoch) {
      if (epoch > BigInt(Number.MAX_SAFE_INTEGER))
        throw new TerminalError('invalid_argument', `epoch is ${epoch}; it must be at most 2^53 - 1`);
      if (epoch !== 0n && epoch < highest) {
        throw new TerminalError(
          'failed_precondition',
          `epoch is ${epoch}, but a coordinator of epoch ${highest} leads; restart this service if the ledger was begun anew`,
        );
      }
      if (epoch > highest) highest = epoch;
    },
  };
}
