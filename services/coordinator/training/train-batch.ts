import { TerminalError } from '#platform/errors.ts';
import { nextStageStep } from '#run/ledger/run-state.ts';
import { createPipelineClock } from './pipeline-clock.ts';
import type { RunContext } from '../run-context.ts';
import { trainStep } from './train-step.ts';

/** A step whose batch needs no rollouts to be gathered: decided, then trained on. */
export async function trainBatch(context: RunContext, stage: string, stageStep: number): Promise<void> {
  const { ledger, signal } = context;
  if (ledger.state.formed.length === 0) {
    const next = nextStageStep(ledger.state);
    if (next !== stageStep)
      throw new TerminalError('internal', `batch ${stageStep} is formed when it is the turn of ${next}`);
    await ledger.append({ case: 'stepFormed', value: { step: BigInt(ledger.state.step + 1), stage, stageStep } });
  }
  const [formed] = ledger.state.formed;
  if (formed !== undefined) await trainStep(context, formed, createPipelineClock(context.now()), signal);
}
