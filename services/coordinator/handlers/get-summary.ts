import type { Nats } from '#platform/nats/connect.ts';
import { parseResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { buildSummary } from '#run/directory/build-summary.ts';
import { foldLedger } from '#run/ledger/read-ledger.ts';
import { auditRun } from '../files/run-files.ts';
import { checkRunId, unknownRun } from '../runs/run-registry.ts';

/** The summary as of now, from the ledger and the results alone. */
export async function getSummary(nats: Nats, runId: string, signal: AbortSignal): Promise<{ summaryJson: string }> {
  const { state } = await foldLedger(nats, checkRunId(runId), signal);
  if (state.life === 'new') throw unknownRun(runId);
  const { totals, endings } = await auditRun(nats, runId, signal);
  return { summaryJson: JSON.stringify(buildSummary(parseResolvedRecipe(state.recipeJson), state, totals, endings)) };
}
