import type { Logger } from '#platform/telemetry/logging.ts';
import { currentStage } from '#run/ledger/run-state.ts';
import type { RunState } from '#run/ledger/run-state.ts';
import { describeDivergence, findDivergences } from '#run/reward-divergence.ts';

export interface DivergenceWatch {
  /** Looks at the state after a fact; what is new since the last look is logged. */
  observe(state: RunState): void;
}

/** Reports a run whose reward diverges. What it reports depends on the ledger alone, so a run that is resumed is reported again. */
export function createDivergenceWatch(log: Logger, onChange: (diverges: boolean) => void): DivergenceWatch {
  let known: ReadonlySet<string> = new Set();
  return {
    observe(state) {
      const stage = currentStage(state);
      const found = stage === undefined || stage.gate !== undefined ? [] : findDivergences(stage);
      for (const divergence of found) {
        if (!known.has(divergence.metric))
          log.warn({ stage: stage?.name, ...divergence }, describeDivergence(divergence));
      }
      if (found.length > 0 !== known.size > 0) onChange(found.length > 0);
      known = new Set(found.map(({ metric }) => metric));
    },
  };
}
