import { findEnvironment } from '#environments/registry.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { environmentDirectory, withLocatedEnvironment } from '#recipe/environment-part.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createUserCodeHost } from '#user-code/user-code-host.ts';
import type { LoadedRecipe } from './prepare-inputs.ts';

/**
 * Opens the environment as a worker does, and tries what it stands on: files and servers of the user's. One that needs services of the
 * fleet is left to the fleet.
 */
export async function environmentProblems(
  { recipe, file }: Pick<LoadedRecipe, 'recipe' | 'file'>,
  variables: NodeJS.ProcessEnv,
): Promise<string[]> {
  const definition = findEnvironment(recipe.environment.name);
  if (definition === undefined || definition.needs.length > 0) return [];
  const { environment } = withLocatedEnvironment(recipe, environmentDirectory(recipe, file));
  await using ending = new AsyncDisposableStack();
  const log = createLogger({ service: 'dry-run', level: 'error' });
  const userCode = createUserCodeHost({ log, defer: (_what, dispose) => ending.defer(dispose) }, variables);
  const retrieval = (): never => {
    throw new TerminalError('failed_precondition', 'there is no search service here');
  };
  try {
    const opened = await definition.open(definition.options.parse(environment.options), { retrieval, userCode });
    ending.defer(async () => await opened.close?.());
    await opened.check?.(new AbortController().signal);
    return [];
  } catch (thrown) {
    return [`environment: ${errorFrom(thrown).message}`];
  }
}
