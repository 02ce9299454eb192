import { exportModel } from '../files/export-model.ts';
import { currentWeights } from '../run-context.ts';
import type { RunContext } from '../run-context.ts';

/** Writes the policy as it is to a directory that transformers loads. */
export async function exportPolicy(context: RunContext, to: string): Promise<void> {
  const weights = currentWeights(context, context.ledger.state);
  await context.confirmLead();
  await context.writeFolder(context.signal, () => exportModel(weights, context.resolved.paths.model, to));
  context.log.info({ directory: to }, 'the policy is exported');
}
