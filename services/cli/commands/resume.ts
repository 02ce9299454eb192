import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { placeIn } from '#artefacts/location.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { changedInputs, parseChangeGroups, refusalOf } from '#recipe/inputs/changed-inputs.ts';
import { rerootPaths } from '#recipe/reroot.ts';
import { parseResolvedRecipe, pathsOf } from '#recipe/resolve-recipe.ts';
import type { ResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { storedInputs } from '#recipe/stored-inputs.ts';
import { runFileNames, runsIn } from '#run/directory/places.ts';
import { readRunSummary } from '#run/directory/run-summary.ts';
import { requireResumable } from '#run/ledger/run-state.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { fleetKey } from '#fleet/fleet-file.ts';
import { fetchStored, storedDirectory, type StoredOptions } from '../run/fetch-stored.ts';
import { restoreRecipe } from '../run/restore-recipe.ts';
import { driveRun } from './drive-run.ts';
import { loadOwnEnvironment } from '#environments/own-file/load.ts';

export interface ResumeOptions {
  /** A coordinator elsewhere that has the run. */
  readonly server?: string;
  /** False: it is refused where it would have to wait for other runs. */
  readonly queue?: boolean;
  readonly home: string;
  /** Directory of certificates for the services. */
  readonly credentials?: string | undefined;
  readonly json: boolean;
  /** What may have changed since it was recorded. */
  readonly acceptChanged?: readonly string[];
  /** Writes recipe.json again as the ledger has it. */
  readonly restoreRecipe?: boolean;
  readonly samples: boolean;
  /** Of what the recipe names as artefact:DIGEST and the home lacks. */
  readonly store?: string | undefined;
  readonly natsUrl?: string | undefined;
}

/**
 * Continues a stopped or failed run from its ledger and last checkpoint. Takes nothing but its id: the rest is recorded, and what
 * differs from what was recorded is refused unless it is accepted. The coordinator has the last word; here it is seen before a fleet starts.
 */
export async function resumeCommand(runId: string, options: ResumeOptions, terminal: Terminal): Promise<number> {
  const accepted = parseChangeGroups(options.acceptChanged ?? []);
  const { server, queue = true } = options;
  if (server !== undefined) {
    const { resumeAt } = await import('../server/resume-at.ts');
    return await resumeAt(runId, { ...options, server, queue }, terminal);
  }
  const home = resolve(options.home);
  const directory = join(home, runId);
  if (options.restoreRecipe === true) {
    await readRecordedRecipe(home, runId);
    await restoreRecipe(home, runId, (line) => terminal.err(line));
  }
  await refuseEnded(runId, directory, (line) => terminal.err(line));
  const { inputs = [], ...resolved } = movedRecipe(parseResolvedRecipe(await readRecordedRecipe(home, runId)), home);
  const { environment_file: file } = resolved.paths;
  if (file !== undefined) await loadOwnEnvironment(file);
  terminal.err(`run ${runId}: reading what it stands on, then starting its services`);
  return await driveRun({
    runId,
    home,
    directory,
    resume: true,
    json: options.json,
    samples: options.samples,
    noQueue: !queue,
    credentials: options.credentials === undefined ? undefined : resolve(options.credentials),
    terminal,
    key: fleetKey(resolved, resolved.recipe_path),
    acceptChanged: accepted,
    check(found) {
      const refusal = inputs.length === 0 ? undefined : refusalOf(runId, changedInputs(inputs, found), accepted, 0);
      if (refusal !== undefined) throw refusal;
    },
    // The recorded inputs, also on a lent fleet: the ledger's questions came from them.
    resolve: async (_lent, signal) => {
      await fetchMissing(resolved, { ...options, home, report: (line) => terminal.err(line), signal });
      return resolved;
    },
  });
}

/** What the coordinator would refuse after a whole fleet has started. A summary that cannot be read leaves it to that. */
async function refuseEnded(runId: string, directory: string, note: (line: string) => void): Promise<void> {
  const summary = await readRunSummary(directory).catch((thrown: unknown) =>
    note(`whether run ${runId} has ended is not known before its services start: ${errorFrom(thrown).message}`),
  );
  if (summary) requireResumable(runId, summary.state, summary.message);
}

/** The recipe of a run whose home may have been moved, with everything in it: inputs that lay there are there no more. */
export function movedRecipe({ directory, ...resolved }: ResolvedRecipe, home: string): ResolvedRecipe {
  if (directory === undefined) return resolved;
  return { ...resolved, paths: rerootPaths(resolved.paths, dirname(directory), home) };
}

/** Rows that were prepared from an artefact stand for it; what the run reads itself has to be there. */
async function fetchMissing({ recipe, paths }: ResolvedRecipe, options: StoredOptions): Promise<void> {
  const read = pathsOf(paths);
  const needed = storedInputs(recipe).filter(({ location }) => {
    const place = placeIn(storedDirectory(options.home), location);
    return read.some((path) => path === place || path.startsWith(`${place}/`));
  });
  const { problems } = await fetchStored(needed, options);
  if (problems.length > 0) throw new TerminalError('failed_precondition', problems.join('; '));
}

async function readRecordedRecipe(home: string, runId: string): Promise<string> {
  try {
    return await readFile(join(home, runId, runFileNames.recipe), 'utf8');
  } catch (cause) {
    const { ids: known } = await runsIn(home);
    const suggestion = suggest(runId, known);
    const help =
      suggestion !== undefined
        ? `did you mean ${suggestion}?`
        : known.length > 0
          ? `runs there: ${known.slice(-5).join(', ')}`
          : 'there are no runs';
    throw new TerminalError('not_found', `there is no run '${runId}' in ${home}; ${help}`, { cause });
  }
}
