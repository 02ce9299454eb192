import { randomUUID } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { canonicalJson, parseResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { readLedgerEntries } from '#run/ledger/weights-history.ts';
import { withStreams } from '../transcript/with-streams.ts';

const readTimeoutMs = 120_000;

/** Writes a run's recipe.json again as its ledger has it. */
export async function restoreRecipe(home: string, runId: string, note: (line: string) => void): Promise<void> {
  const signal = AbortSignal.timeout(readTimeoutMs);
  const entries = await withStreams(home, { command: 'gradus resume --restore-recipe', note }, signal, (nats) =>
    readLedgerEntries(nats, runId, signal),
  );
  let recorded: { readonly recipeJson: string; readonly directory: string } | undefined;
  for (const { fact } of entries) {
    if ((fact.case === 'runStarted' || fact.case === 'runResumed') && fact.value.recipeJson !== '')
      recorded = fact.value;
  }
  if (recorded === undefined)
    throw new TerminalError('data_loss', `the ledger of run ${runId} does not say what its recipe was`);
  const { directory } = recorded;
  const file = join(home, runId, 'recipe.json');
  const draft = `${file}.${randomUUID()}.draft`;
  const resolved = { ...parseResolvedRecipe(recorded.recipeJson), directory };
  await writeFile(draft, `${JSON.stringify(JSON.parse(canonicalJson(resolved)), undefined, 2)}\n`);
  await rename(draft, file);
}
