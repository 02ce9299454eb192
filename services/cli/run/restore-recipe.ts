import { join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { writeAtomically } from '#platform/files/write-atomically.ts';
import { recipeText, runFileNames } from '#run/directory/places.ts';
import { parseResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { ledgerEntries } from '#run/ledger/read-ledger.ts';
import { withStreams } from '../transcript/with-streams.ts';

const readTimeoutMs = 120_000;

/** Writes a run's recipe.json again as its ledger has it. */
export async function restoreRecipe(home: string, runId: string, note: (line: string) => void): Promise<void> {
  const signal = AbortSignal.timeout(readTimeoutMs);
  const entries = await withStreams(home, { command: 'gradus resume --restore-recipe', note }, signal, (nats) =>
    ledgerEntries(nats, runId, signal),
  );
  let recorded: { readonly recipeJson: string; readonly directory: string } | undefined;
  for (const { fact } of entries) {
    const isFirst = fact.case === 'runQueued' || fact.case === 'runStarted' || fact.case === 'runResumed';
    if (isFirst && fact.value.recipeJson !== '') recorded = fact.value;
  }
  if (recorded === undefined)
    throw new TerminalError('data_loss', `the ledger of run ${runId} does not say what its recipe was`);
  await writeAtomically(
    join(home, runId, runFileNames.recipe),
    recipeText(parseResolvedRecipe(recorded.recipeJson), recorded.directory),
  );
}
