import { ownEnvironmentAt } from '#environments/own-file/load.ts';
import { environmentNamed, findEnvironment } from '#environments/registry.ts';
import type { EnvironmentDefinition, SessionsAt } from '#environments/kit/environment.ts';
import { TerminalError } from '#platform/errors.ts';
import { rewardMetric, type Headline } from '#rewards/metric-names.ts';
import type { RecipeIssue } from './check-recipe.ts';
import type { Recipe } from './schema.ts';
import { issuesOf } from './zod-issues.ts';
import { dirname, resolve } from 'node:path';

/** The recipe with every option of its environment written out, and what the environment's own schema says against them. */
export function completeEnvironment<Given extends Pick<Recipe, 'environment' | 'retrieval'>>(
  recipe: Given,
): { readonly recipe: Given; readonly issues: readonly RecipeIssue[] } {
  const { path, options } = recipe.environment;
  const own = path === undefined ? undefined : ownEnvironmentAt(path);
  const name = own?.name ?? recipe.environment.name;
  if (name === '') return { recipe, issues: [{ path: ['environment'], message: 'needs name or path' }] };
  // Anyone who submitted it had the file and checked it; one who only reads what was recorded need not have it.
  if (isUnloaded(recipe)) return { recipe, issues: [] };
  let definition: EnvironmentDefinition;
  try {
    definition = environmentNamed(name);
  } catch (thrown) {
    if (!(thrown instanceof TerminalError)) throw thrown;
    return { recipe, issues: [{ path: ['environment', 'name'], message: thrown.message }] };
  }
  const parsed = definition.options.safeParse(options, { reportInput: true });
  if (!parsed.success) {
    const issues = issuesOf(definition.options, parsed.error, options);
    const named = { ...recipe, environment: { ...recipe.environment, name } };
    return {
      recipe: named,
      issues: issues.map((issue) => ({ ...issue, path: ['environment', 'options', ...issue.path] })),
    };
  }
  // A recipe is JSON: what a schema makes of options has to be too.
  const complete = JSON.parse(JSON.stringify(parsed.data)) as Recipe['environment']['options'];
  const conflicts = definition.conflicts?.(parsed.data, recipe) ?? [];
  return {
    recipe: { ...recipe, environment: { ...recipe.environment, name, options: complete } },
    issues: conflicts.map((conflict) => ({ ...conflict, path: ['environment', 'options', ...conflict.path] })),
  };
}

/** What people look at first, and what metrics are split by. Of a file that this process has not loaded nothing more is known than the reward. */
export function headlineOf({ environment }: Pick<Recipe, 'environment'>): Headline {
  const { primaryMetric, tags } = findEnvironment(environment.name) ?? { primaryMetric: rewardMetric, tags: [] };
  return { primaryMetric, tags };
}

/** Whether its fleet has a search service over a corpus. */
export function needsRetrieval({ environment }: Pick<Recipe, 'environment'>): boolean {
  return findEnvironment(environment.name)?.needs.includes('retrieval') === true;
}

/** Whether its environment says that its prompts are messages. One that only says so in an episode does not. */
export function speaksInMessages({ environment: { name, options } }: Pick<Recipe, 'environment'>): boolean {
  const definition = findEnvironment(name);
  const parsed = definition?.options.safeParse(options);
  return parsed?.success === true && definition?.speaksInMessages?.(parsed.data) === true;
}

/** Options with which its environment speaks in text, if there are any. */
export function textOptions({ environment }: Pick<Recipe, 'environment'>): Readonly<Record<string, unknown>> {
  return findEnvironment(environment.name)?.inText ?? {};
}

/** Whether a scripted engine can play its environment; an unknown one is reported elsewhere. */
export function hasScript({ environment }: Pick<Recipe, 'environment'>): boolean {
  const definition = findEnvironment(environment.name);
  return definition === undefined || definition.scripted !== undefined;
}

/** Scorers that every rollout of its environment is given to, whatever the recipe weighs. */
export function environmentScorers({ environment }: Pick<Recipe, 'environment'>): readonly string[] {
  return findEnvironment(environment.name)?.scorers ?? [];
}

/** The parts that the policy plays in its environment; empty where it has none. */
export function environmentRoles({ environment }: Pick<Recipe, 'environment'>): readonly string[] {
  return findEnvironment(environment.name)?.roles ?? [];
}

/** Components that its environment gives itself. */
export function ownRewards({ environment }: Pick<Recipe, 'environment'>): readonly string[] {
  return rewardsOf(environment);
}

/** Its options that are waited for within a turn, in milliseconds. */
export function environmentWaits(
  { environment }: Pick<Recipe, 'environment'>,
  toolTimeoutMs: number,
): Readonly<Record<string, number>> {
  return fromOptions(environment, ({ waits }, options) => waits?.(options, toolTimeoutMs)) ?? {};
}

/** Environment variables of workers that its options name. */
export function environmentVariables({ environment }: Pick<Recipe, 'environment'>): readonly string[] {
  return fromOptions(environment, ({ variables }, options) => variables?.(options)) ?? [];
}

/** Where the gateway serves sessions of agents, if its environment wants that. */
export function environmentSessions({ environment }: Pick<Recipe, 'environment'>): SessionsAt | undefined {
  return fromOptions(environment, ({ sessionsAt }, options) => sessionsAt?.(options));
}

/** Undefined where the environment or its options are not known here. */
function fromOptions<Value>(
  { name, options }: Recipe['environment'],
  read: (definition: EnvironmentDefinition, options: unknown) => Value | undefined,
): Value | undefined {
  const definition = findEnvironment(name);
  const parsed = definition?.options.safeParse(options);
  return definition !== undefined && parsed?.success === true ? read(definition, parsed.data) : undefined;
}

function rewardsOf({ name, options }: Recipe['environment']): readonly string[] {
  const definition = findEnvironment(name);
  const parsed = definition?.options.safeParse(options);
  if (parsed?.success !== true) return definition?.rewards ?? [];
  return definition?.rewardsOf?.(parsed.data) ?? definition?.rewards ?? [];
}

/** Its environment is a file that this process has not loaded: what only that knows was checked where the recipe was submitted. */
export function isUnloaded({ environment }: Pick<Recipe, 'environment'>): boolean {
  const { path, name } = environment;
  return path !== undefined && ownEnvironmentAt(path) === undefined && findEnvironment(name) === undefined;
}

/** Where paths in the options of the environment start, which is the recipe's folder; undefined where none are. */
export function environmentDirectory(
  { environment }: Pick<Recipe, 'environment'>,
  recipeFile: string,
): string | undefined {
  return findEnvironment(environment.name)?.locate === undefined ? undefined : dirname(resolve(recipeFile));
}

/** The recipe as tasks carry it: paths in the options of its environment are absolute. Its hash is of the one that was given (P8). */
export function withLocatedEnvironment(recipe: Recipe, directory: string | undefined): Recipe {
  const definition = findEnvironment(recipe.environment.name);
  if (definition?.locate === undefined || directory === undefined) return recipe;
  const options = definition.locate(recipe.environment.options, (path) => resolve(directory, path));
  // Options are JSON, and paths are texts.
  return { ...recipe, environment: { ...recipe.environment, options: options as Recipe['environment']['options'] } };
}
