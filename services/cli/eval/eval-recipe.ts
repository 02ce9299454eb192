import { join, resolve } from 'node:path';
import { isStored } from '#artefacts/location.ts';
import { TerminalError } from '#platform/errors.ts';
import { checkRecipeValue, formatIssue } from '#recipe/parse-recipe.ts';
import { applySettings, parseSetting } from '#recipe/recipe-settings.ts';
import { rolloutStages } from '#stages/kit/rollout-stages.ts';
import { type ProblemSource, inputError } from '../run/place-problems.ts';
import { type LoadedRecipe, loadRecipe } from '../run/prepare-inputs.ts';
import { defaultsFor } from './eval-defaults.ts';
import { gradeScorer, judgeOptionNames, judgeParts, type JudgeOptions } from './judge-options.ts';
import { mcpEnvironment, type McpOptions } from './mcp-options.ts';
import { recordedRewards } from './recorded-rewards.ts';
import type { EvalFormat } from './eval-formats.ts';
import { defaultEnvironment } from '#environments/index.ts';
import { environmentNamed } from '#environments/registry.ts';
import { rewardMetric } from '#rewards/metric-names.ts';

export interface EvalOptions extends JudgeOptions, McpOptions {
  /** A directory, or the name of the model at the endpoint. */
  readonly model?: string;
  readonly endpoint?: string;
  readonly apiKeyEnv?: string;
  readonly maxTokensField?: string;
  readonly concurrency?: number;
  readonly data?: string;
  readonly format: EvalFormat;
  /** Of the rows, by field of the format. */
  readonly column?: Readonly<Record<string, string>>;
  readonly corpus?: string;
  /** Of a built-in environment. */
  readonly environment?: string;
  readonly limit?: number;
  readonly samples?: number;
  readonly greedy?: boolean;
  /** Of the samples; 1 where nothing is said. */
  readonly temperature?: number;
  readonly seed?: number;
  readonly contextTokens?: number;
  readonly maxNewTokens?: number;
  readonly maxTurns?: number;
  readonly set: readonly string[];
  /** Directory of certificates for the services. */
  readonly credentials?: string;
  readonly out: string;
  readonly json: boolean;
  /** Of what is named as artefact:DIGEST. */
  readonly store?: string;
  readonly natsUrl?: string;
}

/** Of this folder, where it is a path. */
const placed = (input: string): string => (isStored(input) ? input : resolve(input));

/** By field of the recipe: the option that gives it. */
const modelOptions = {
  'model.path': '--model',
  'model.endpoint': '--endpoint',
  'model.endpoint.base_url': '--endpoint',
  'model.endpoint.api_key_env': '--api-key-env',
};
/** Of the one stage that is made from options. */
const stageOptions = {
  'stages[0].samples': '--samples',
  'stages[0].sampling.temperature': '--temperature',
  'stages[0].limits.context_tokens': '--context-tokens',
  'stages[0].limits.max_new_tokens': '--max-new-tokens',
  'stages[0].limits.max_turns': '--max-turns',
};
const evalOptions = {
  'environment.options.servers[0]': '--mcp',
  'environment.options.servers[0].url': '--mcp',
  'environment.options.servers[0].command': '--mcp',
  'environment.options.allow': '--tool',
  ...judgeOptionNames,
  ...modelOptions,
  ...stageOptions,
  environment: '--environment',
  'data.rows.train': '--data',
  'data.rows.corpus': '--corpus',
  'data.rows.columns': '--column',
  'data.musique.questions': '--data',
  'data.musique.corpus': '--corpus',
};

/** The eval stages of a recipe; of one that has none, its last stage with rollouts as one. */
export async function evalOfRecipe(path: string, options: EvalOptions): Promise<LoadedRecipe> {
  // P9: nothing that was asked for is passed over.
  if (options.mcp !== undefined || (options.tool ?? []).length > 0)
    throw new TerminalError(
      'invalid_argument',
      `--mcp: recipe ${path} names its own tools; change them there, or with --set environment.options.servers.0.url=URL`,
    );
  if (options.environment !== undefined)
    throw new TerminalError(
      'invalid_argument',
      `--environment ${options.environment}: recipe ${path} names its own; leave one of them out`,
    );
  if (options.judge !== undefined || options.judgeModel !== undefined || options.judgeKeyEnv !== undefined)
    throw new TerminalError(
      'invalid_argument',
      `--judge: recipe ${path} names its own judges; change them there, or with --set, for example --set judges.main.model=NAME`,
    );
  const loaded = await loadRecipe(path, options.set);
  const { recipe } = loaded;
  const own = recipe.stages.filter(({ kind }) => kind === 'eval');
  if (own.length > 0) requireNoStageOptions(path, options);
  const last = rolloutStages(recipe).at(-1);
  const stages =
    own.length > 0
      ? own
      : last === undefined
        ? []
        : [
            {
              name: 'eval',
              kind: 'eval',
              limits: { ...last.limits, ...limitsOf(options) },
              rewards: last.rewards,
              ...(last.composition !== undefined && { composition: last.composition }),
              ...asked(options, 'held_out'),
            },
          ];
  const model = policyOf(options) ?? recipe.model;
  const source = {
    name: path,
    options: { ...(model !== recipe.model && modelOptions), ...(own.length === 0 && stageOptions) },
  };
  const { seed = recipe.seed } = options;
  return { ...loaded, recipe: checked({ ...recipe, seed, model, stages }, source), source };
}

/** P9: eval stages of a recipe say themselves what an option would say. */
function requireNoStageOptions(path: string, options: EvalOptions): void {
  const { samples, greedy, temperature, limit, contextTokens, maxNewTokens, maxTurns } = options;
  const given = Object.entries({
    '--samples': samples,
    '--greedy': greedy,
    '--temperature': temperature,
    '--limit': limit,
    '--context-tokens': contextTokens,
    '--max-new-tokens': maxNewTokens,
    '--max-turns': maxTurns,
  }).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (given.length > 0)
    throw new TerminalError(
      'invalid_argument',
      `${given.join(', ')}: recipe ${path} has eval stages of its own; change them there, or with --set, for example --set stages.0.samples=4`,
    );
}

/** A recipe for a model directory, or for an endpoint, and a file of rows. */
export async function evalOfModel(options: EvalOptions): Promise<LoadedRecipe> {
  const { data, out, set } = options;
  const model = policyOf(options);
  if (model === undefined || data === undefined)
    throw new TerminalError(
      'invalid_argument',
      'give a recipe, or --data FILE with --model DIR or --endpoint URL --model NAME',
    );
  const defaults = defaultsFor(options.endpoint === undefined ? 'directory' : 'endpoint');
  const server = mcpEnvironment(options, options.environment);
  const played = evalEnvironment(server?.name ?? options.environment, defaults.isInstructed);
  const judging = judgeParts(options);
  const recorded = recordedRewards(options.format, played.environment.name);
  // Who grades decides; what rules say is next to it.
  const rewards =
    judging === undefined
      ? { ...recorded, ...played.rewards }
      : { ...recorded, ...mapped(played.rewards, 0), [gradeScorer]: 1 };
  const limits = {
    context_tokens: defaults.contextTokens,
    max_new_tokens: defaults.maxNewTokens,
    max_turns: defaults.maxTurns,
    ...limitsOf(options),
    ...defaults.limits,
  };
  const value = {
    name: 'eval',
    seed: options.seed ?? 1,
    model,
    data: dataOf(placed(data), options),
    environment: server ?? played.environment,
    ...judging,
    fleet: {
      engine: {
        max_context: limits.context_tokens,
        ...(options.concurrency !== undefined && { max_running: options.concurrency }),
        ...(options.concurrency === undefined && defaults.engine),
      },
    },
    stages: [
      {
        name: 'eval',
        kind: 'eval',
        limits,
        rewards,
        ...(judging !== undefined && { success: { metric: gradeScorer } }),
        ...defaults.stage,
        ...asked(options, 'all'),
      },
    ],
  };
  const { value: complete } = applySettings(
    value,
    set.map((text) => parseSetting(text)),
  );
  const source = {
    name: 'gradus eval',
    options: { ...evalOptions, ...(server !== undefined && { environment: '--mcp' }) },
  };
  return { file: join(out, 'recipe.yaml'), recipe: checked(complete, source), set, source };
}

function mapped(record: Readonly<Record<string, number>>, value: number): Record<string, number> {
  return Object.fromEntries(Object.keys(record).map((key) => [key, value]));
}

/** Undefined: none is named. */
function policyOf({ model, endpoint, apiKeyEnv, maxTokensField }: EvalOptions): object | undefined {
  if (endpoint === undefined) {
    if (apiKeyEnv !== undefined) throw new TerminalError('invalid_argument', '--api-key-env needs --endpoint URL');
    if (maxTokensField !== undefined)
      throw new TerminalError('invalid_argument', '--max-tokens-field needs --endpoint URL');
    return model === undefined ? undefined : { path: placed(model) };
  }
  if (model === undefined)
    throw new TerminalError('invalid_argument', '--endpoint needs --model NAME: what the server calls the model');
  return {
    endpoint: {
      base_url: endpoint,
      model,
      ...(apiKeyEnv !== undefined && { api_key_env: apiKeyEnv }),
      ...(maxTokensField !== undefined && { max_tokens_field: maxTokensField }),
    },
  };
}

function asked({ limit, samples, greedy, temperature }: EvalOptions, of: 'all' | 'held_out'): Record<string, unknown> {
  return {
    prompts: { of, ...(limit !== undefined && { limit }) },
    ...(samples !== undefined && { samples }),
    ...(greedy !== undefined && { greedy }),
    ...(temperature !== undefined && { sampling: { temperature } }),
  };
}

/** Those that were given. */
function limitsOf({ contextTokens, maxNewTokens, maxTurns }: EvalOptions): Readonly<Record<string, number>> {
  return {
    ...(contextTokens !== undefined && { context_tokens: contextTokens }),
    ...(maxNewTokens !== undefined && { max_new_tokens: maxNewTokens }),
    ...(maxTurns !== undefined && { max_turns: maxTurns }),
  };
}

function dataOf(path: string, { format, column = {}, corpus }: EvalOptions): object {
  const hasColumns = Object.keys(column).length > 0;
  if (hasColumns && format === 'musique')
    throw new TerminalError(
      'invalid_argument',
      '--column: rows of format musique are read as they are published; leave it out',
    );
  const named = { ...(hasColumns && { columns: column }), ...(corpus !== undefined && { corpus: placed(corpus) }) };
  // Which row is held out does not matter: all are asked.
  if (format === 'musique') return { musique: { questions: path, held_out: 1, ...named } };
  return { rows: { format, train: path, held_out: 1, ...named } };
}

function checked(value: unknown, source: ProblemSource): LoadedRecipe['recipe'] {
  const outcome = checkRecipeValue(value);
  if (outcome.kind === 'recipe') return outcome.recipe;
  throw inputError(
    { file: source.name, source },
    outcome.issues.map((issue) => formatIssue(issue)),
  );
}

/**
 * The environment of an evaluation without a recipe, and what its rollouts are rewarded by: its primary metric, or, where that is the
 * reward, what its episodes give themselves, or else its first scorer. Its own scorers are recorded too. Where `isInstructed`, it describes to the model what it may
 * write. Throws TerminalError for a name that is unknown.
 */
export function evalEnvironment(
  name: string = defaultEnvironment.name,
  isInstructed = false,
): {
  readonly environment: { readonly name: string; readonly options: Readonly<Record<string, unknown>> };
  readonly rewards: Readonly<Record<string, number>>;
} {
  const { primaryMetric, rewards, scorers, instructed = {} } = environmentNamed(name);
  const given = rewards.length > 0 ? rewards : scorers.slice(0, 1);
  const weighed = primaryMetric === rewardMetric ? given : [primaryMetric];
  return {
    environment: { name, options: isInstructed ? instructed : {} },
    rewards: Object.fromEntries(weighed.map((each) => [each, 1])),
  };
}
