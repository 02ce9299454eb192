import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { RunStatus } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { stateWord } from '#run/live-status.ts';
import { runFileNames } from '#run/directory/places.ts';
import { readRunSummary } from '#run/directory/run-summary.ts';
import { formatSummary } from './summary-table.ts';

/** What is said when a run has ended: how, the before/after table, and where its files are. */
export async function reportRun(
  directory: string,
  last: Pick<RunStatus, 'runId' | 'state' | 'message'>,
  options: { readonly terminal: Terminal; readonly json: boolean },
): Promise<void> {
  const { terminal } = options;
  const summary = await readRunSummary(directory);
  // Vega is large and needed only here.
  const { writeCurves } = await import('../curves/write-curves.ts');
  const curves = summary === undefined ? [] : await writeCurves(summary, directory);
  if (options.json) return;
  const why = last.message === '' ? '' : `: ${last.message}`;
  const ending = `run ${last.runId} ${stateWord(last.state)}${last.state === RunState.FINISHED ? '' : why}`;
  const isBad = last.state === RunState.FAILED || last.state === RunState.NOTHING_TO_LEARN;
  terminal.out(isBad ? terminal.colours.red(ending) : ending);
  if (summary === undefined) return;
  terminal.out(formatSummary(summary));
  if (summary.model !== null) terminal.out(`the trained model, as transformers loads it: ${summary.model}`);
  else if (summary.steps > 0 && last.state !== RunState.FINISHED)
    terminal.out(`weights of version ${summary.version}, the newest: ${summary.weights}`);
  terminal.out(`files in ${directory}:`);
  terminal.out(`  ${(await partsOf(directory)).join(', ')}`);
  for (const curve of curves) terminal.out(`  ${join('curves', curve.slice(join(directory, 'curves').length + 1))}`);
}

/** Files and folders of a run that are there: one that trained nothing has no checkpoints. */
async function partsOf(directory: string): Promise<string[]> {
  const names = new Set(await readdir(directory));
  return [...Object.values(runFileNames).toReversed(), 'stages/', 'checkpoints/', 'logs/'].filter((part) =>
    names.has(part.replace('/', '')),
  );
}
