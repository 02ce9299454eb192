import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import { surveyInputs, type FoundInput } from '#recipe/inputs/survey-inputs.ts';
import { namedInputs } from '#submission/named-inputs.ts';
import { parseRunSummary } from '#run/directory/run-summary.ts';
import { stateWord } from '#run/live-status.ts';
import { QueuePlaceSchema, RunStatusSchema, type RunStatus } from '#proto/coordinator/v1/coordinator_pb.ts';
import { exitCodes } from '../exit-codes.ts';
import { exitCodeOfState } from '../commands/drive-run.ts';
import { newRunId } from '../commands/run.ts';
import type { Coordinators } from '../run/coordinators.ts';
import { followRun } from '../run/follow-run.ts';
import { createProgress } from '../run/progress.ts';
import { formatSummary } from '../run/summary-table.ts';
import { loadRecipe, type LoadedRecipe } from '../run/prepare-inputs.ts';
import { jsonLine, messageJson } from '../terminal/json-line.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { accessFlags, connectServer, type ServerAccess } from './connect-server.ts';

export interface SubmitOptions extends ServerAccess {
  readonly runId?: string;
  readonly set: readonly string[];
  readonly priority: number;
  /** False: it is refused where it would have to wait for other runs. */
  readonly queue: boolean;
  /** Do not follow it. */
  readonly detach: boolean;
  readonly json: boolean;
}

/** Sends a recipe to a coordinator elsewhere, and follows its run there unless it is detached. Needs no folder of the fleet. */
export async function submitToServer(recipePath: string, options: SubmitOptions, terminal: Terminal): Promise<number> {
  const { server: address, set, priority } = options;
  const loaded = await readRecipe(recipePath, set);
  const runId = options.runId ?? newRunId(loaded.name, new Date());
  const server = await connectServer(options);
  try {
    const request = {
      runId,
      recipePath,
      recipeText: loaded.text,
      set: [...set],
      inputs: loaded.inputs.map(({ name, digest, bytes }) => ({ name, digest, sizeBytes: BigInt(bytes) })),
      priority,
      noQueue: !options.queue,
    };
    const { notes, queued } = await server.current.submitRecipe(request).catch((thrown: unknown) => {
      throw mayHaveStarted(errorFrom(thrown), runId, options);
    });
    for (const note of notes) terminal.err(`note: ${note}`);
    if (options.detach) {
      terminal.out(
        options.json
          ? jsonLine({
              run: runId,
              server: address,
              notes,
              ...(queued !== undefined && { queued: messageJson(QueuePlaceSchema, queued) }),
            })
          : `run ${runId} ${queued === undefined ? 'goes on' : `is queued, place ${queued.position} (${queued.reason}),`} at ${address}; 'gradus logs ${runId} --follow${accessFlags(options)}' follows it, 'gradus cancel ${runId}${accessFlags(options)}' stops it`,
      );
      return exitCodes.ok;
    }
    terminal.err(`${queued === undefined ? 'started' : 'queued'} run ${runId} at ${address}`);
    return await followAt(server, { access: options, runId, json: options.json }, terminal);
  } finally {
    server.close();
  }
}

/** A call that got no answer says nothing about the run: a second submission would be a second run. */
function mayHaveStarted(error: Error, runId: string, access: ServerAccess): Error {
  if (!(error instanceof TransientError)) return error;
  return new TransientError(
    'unavailable',
    `${error.message}; run ${runId} may have started all the same: 'gradus status ${runId}${accessFlags(access)}' says so`,
    { cause: error },
  );
}

interface ReadRecipe {
  readonly text: string;
  /** For the name of the run. */
  readonly name: string;
  /** Files that it names and that are here, by content. */
  readonly inputs: readonly FoundInput[];
}

/** The server has the last word on a recipe: one that is wrong here is sent all the same, and refused with all that is wrong there. */
async function readRecipe(path: string, set: readonly string[]): Promise<ReadRecipe> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new TerminalError('invalid_argument', `recipe ${path} cannot be read: ${errorFrom(cause).message}`, {
      cause,
    });
  }
  try {
    const loaded = await loadRecipe(path, set);
    return { text, name: loaded.recipe.name, inputs: await contentOf(loaded) };
  } catch (thrown) {
    if (errorFrom(thrown).code !== 'invalid_argument') throw thrown;
    const name = basename(path, extname(path))
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '');
    return { text, name: name || 'run', inputs: [] };
  }
}

async function contentOf(loaded: LoadedRecipe): Promise<FoundInput[]> {
  const scratch = await mkdtemp(join(tmpdir(), 'gradus-submit-'));
  try {
    return await surveyInputs(namedInputs(loaded.recipe, loaded.file), {
      cacheFile: join(scratch, 'digests.json'),
      signal: new AbortController().signal,
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Follows a run until it ends, then prints its summary. Ctrl-C ends the following, not the run. */
export async function followAt(
  coordinators: Coordinators,
  { access, runId, json }: { readonly access: ServerAccess; readonly runId: string; readonly json: boolean },
  terminal: Terminal,
): Promise<number> {
  const leave = new AbortController();
  const onSignal = (): void => leave.abort();
  process.once('SIGINT', onSignal);
  const progress = createProgress(terminal);
  try {
    const last = await followRun(coordinators, runId, leave.signal, (status) => {
      if (json) terminal.out(jsonLine(messageJson(RunStatusSchema, status)));
      else progress(status);
    });
    terminal.status('');
    if (!json) await printSummary(coordinators, last, terminal);
    return exitCodeOfState(last.state);
  } catch (thrown) {
    if (!leave.signal.aborted) throw thrown;
    terminal.err(`run ${runId} goes on; 'gradus cancel ${runId}${accessFlags(access)}' stops it`);
    return exitCodes.stopped;
  } finally {
    process.off('SIGINT', onSignal);
  }
}

async function printSummary(coordinators: Coordinators, last: RunStatus, terminal: Terminal): Promise<void> {
  const { runId, state, message, directory } = last;
  terminal.out(`run ${runId} ${stateWord(state)}${message === '' ? '' : `: ${message}`}`);
  try {
    const { summaryJson } = await coordinators.ask((client) => client.getSummary({ runId }));
    terminal.out(formatSummary(parseRunSummary(summaryJson, `the summary of run ${runId}`)));
  } catch (thrown) {
    // The run has ended all the same.
    terminal.err(`the summary of run ${runId} cannot be had: ${errorFrom(thrown).message}`);
  }
  terminal.out(`its files lie on the server, in ${directory}`);
}

/** Follows a run of a server that was submitted before. */
export async function watchAt(access: ServerAccess, runId: string, terminal: Terminal): Promise<number> {
  const server = await connectServer(access);
  try {
    await server.ask((client) => client.getRun({ runId }));
    return await followAt(server, { access, runId, json: false }, terminal);
  } finally {
    server.close();
  }
}
