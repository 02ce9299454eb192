import { resolve } from 'node:path';
import { CancelledError } from '#platform/errors.ts';
import { finalModel } from '#run/directory/places.ts';
import { readRunSummary } from '#run/directory/run-summary.ts';
import { hasEnded, stateWord } from '#run/live-status.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatSize } from '../terminal/format.ts';
import { jsonLine } from '../terminal/json-line.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { connectServer, type ServerAccess } from './connect-server.ts';
import { fetchFile } from './fetch-file.ts';

export interface FetchOptions extends ServerAccess {
  /** Folder for the files; by default one with the run's id, here. */
  readonly to?: string;
  readonly json: boolean;
}

/**
 * Brings recipe.json, metrics.jsonl, summary.json and the final model of a run of a server here, and draws its curves. What is here already is not brought
 * again. A run that goes on has no model yet; that is said.
 */
export async function fetchCommand(runId: string, options: FetchOptions, terminal: Terminal): Promise<number> {
  const directory = resolve(options.to ?? runId);
  const leave = new AbortController();
  const onSignal = (): void => leave.abort(new CancelledError('cancelled', 'Ctrl-C'));
  process.once('SIGINT', onSignal);
  const server = await connectServer(options);
  try {
    const status = await server.ask((client) => client.getRun({ runId }));
    const { files } = await server.ask((client) => client.listRunFiles({ runId }));
    let received = 0;
    for (const [index, { path, sizeBytes }] of files.entries()) {
      terminal.status(`${index + 1}/${files.length} ${path} (${formatSize(Number(sizeBytes))})`);
      received += await fetchFile(server, runId, path, directory, leave.signal);
    }
    terminal.status('');
    const summary = await readRunSummary(directory);
    // Vega is large and needed only here.
    const { writeCurves } = await import('../curves/write-curves.ts');
    const curves = summary === undefined ? [] : await writeCurves(summary, directory);
    const model = files.some(({ path }) => path.startsWith(`${finalModel('')}/`)) ? finalModel(directory) : undefined;
    const names = files.map(({ path }) => path);
    if (options.json) {
      const drawn = curves.map((curve) => curve.slice(directory.length + 1));
      terminal.out(jsonLine({ run: runId, directory, files: names, curves: drawn, received, model: model ?? null }));
      return exitCodes.ok;
    }
    terminal.out(`run ${runId} (${stateWord(status.state)}) lies in ${directory}, ${formatSize(received)} came over:`);
    terminal.out(
      `  ${[...names.filter((path) => !path.startsWith(`${finalModel('')}/`)), ...(curves.length > 0 ? ['curves/'] : [])].join(', ')}`,
    );
    if (model !== undefined) terminal.out(`the trained model, as transformers loads it: ${model}`);
    else
      terminal.out(
        hasEnded(status)
          ? 'it left no trained model'
          : 'it goes on: these files grow, and there is no trained model yet',
      );
    return exitCodes.ok;
  } finally {
    process.off('SIGINT', onSignal);
    server.close();
  }
}
