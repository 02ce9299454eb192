import { stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { TerminalError } from '#platform/errors.ts';
import { unreadable } from '#platform/files/file-error.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createUserCodeHost, type UserCodeHost } from '#user-code/user-code-host.ts';
import { definitionProblems } from '../definition-problems.ts';
import { environments } from '../index.ts';
import type { EnvironmentDefinition } from '../kit/environment.ts';
import { containEnvironment, defaultFileLimits, type ContainOptions } from './contained.ts';
import { definitionOf, loadingProblem, makeKitFound } from './definition.ts';

/** Definitions of users' files that this process knows. */
const byName = new Map<string, EnvironmentDefinition>();
const byPath = new Map<string, EnvironmentDefinition>();

export function ownEnvironmentNamed(name: string): EnvironmentDefinition | undefined {
  return byName.get(name);
}

/** `path` as the recipe or a flag has it. */
export function ownEnvironmentAt(path: string): EnvironmentDefinition | undefined {
  return byPath.get(path);
}

/**
 * Loads a file with its schemas, as it is now, for who checks recipes and rows, and makes it known by its name; `writtenAs` is how a recipe
 * names the file. It is loaded into this process once it has been loaded within limits; its episodes are played in processes of their own.
 * Throws TerminalError that names the file and what is wrong.
 */
export async function loadOwnEnvironment(file: string, writtenAs: string = file): Promise<EnvironmentDefinition> {
  const changed = await changedAt(file);
  await using ending = new AsyncDisposableStack();
  const log = createLogger({ service: 'environment', level: 'error' });
  const host = createUserCodeHost({ log, defer: (_what, dispose) => ending.defer(dispose) }, process.env);
  const contained = await containEnvironment({ file, limits: defaultFileLimits }, await host());
  makeKitFound();
  let definition: EnvironmentDefinition;
  try {
    // A file that was changed is another module.
    definition = definitionOf(await import(`${pathToFileURL(file).href}?changed=${changed}`));
  } catch (thrown) {
    throw refused(file, loadingProblem(thrown, file), thrown);
  }
  const problems = definitionProblems(definition);
  if (problems.length > 0) throw refused(file, problems.join('; '));
  return known({ ...definition, open: contained.open }, file, writtenAs);
}

/** For who plays episodes: nothing of the file is loaded into this process. */
export async function loadOwnEpisodes(options: ContainOptions, host: UserCodeHost): Promise<EnvironmentDefinition> {
  const { file } = options;
  await changedAt(file);
  return known(await containEnvironment(options, host), file, file);
}

function known(definition: EnvironmentDefinition, file: string, writtenAs: string): EnvironmentDefinition {
  if (environments.some(({ name }) => name === definition.name))
    throw refused(file, `its name '${definition.name}' is that of a built-in environment; give it another one`);
  byName.set(definition.name, definition);
  byPath.set(file, definition);
  byPath.set(writtenAs, definition);
  return definition;
}

async function changedAt(file: string): Promise<number> {
  try {
    return (await stat(file)).mtimeMs;
  } catch (cause) {
    throw refused(file, unreadable(cause), cause);
  }
}

function refused(file: string, problem: string, cause?: unknown): TerminalError {
  return new TerminalError('failed_precondition', `environment ${file}: ${problem}`, { cause });
}
