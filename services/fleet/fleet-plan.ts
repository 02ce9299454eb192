import { TerminalError } from '#platform/errors.ts';
import { existingEngines } from '#recipe/engine-part.ts';
import { environmentSessions, environmentVariables, needsRetrieval } from '#recipe/environment-part.ts';
import { rankDevices } from '#recipe/learner-part.ts';
import type { Recipe } from '#recipe/schema.ts';
import type { RecipePaths } from '#recipe/resolve-recipe.ts';
import { join } from 'node:path';
import { endpointSettings } from '#recipe/run-parts.ts';
import { planEngines } from './engine-plan.ts';
import { flags, rootFlag, type FleetInputs, type PlannedProgram, type PlannedService } from './planned-service.ts';
import { keyVariables, rewardFlags } from './reward-plan.ts';
import { serviceDeadlines } from './service-deadlines.ts';
import { hubVariables } from './service-programs.ts';

/** Longer than a worker's drain takes: what it hands back is not counted as a death of its worker. */
const workerReplaceGraceMs = 15_000;

/** Services that need nobody: they start first, side by side. `roots`: where runs and models may lie; none is anywhere. */
export function planBase(inputs: FleetInputs, roots: readonly string[] = []): PlannedService[] {
  return [
    ...retrievalService(inputs),
    planReward(inputs),
    ...planEngines(inputs, roots),
    ...learnerService(inputs, roots),
  ];
}

export function planReward({ recipe, paths }: FleetInputs): PlannedService {
  return {
    label: 'reward',
    service: 'reward',
    args: flags(rewardFlags(recipe, paths)),
    variables: keyVariables(recipe),
  };
}

/** Where the environment needs none, there is none, and no corpus. */
function retrievalService({ recipe, paths }: FleetInputs): PlannedService[] {
  if (!needsRetrieval(recipe)) return [];
  if (paths.corpus === undefined)
    throw new TerminalError(
      'invalid_argument',
      `environment ${recipe.environment.name} searches, and there is no corpus`,
    );
  const args = flags(retrievalFlags(recipe, paths.corpus));
  return [{ label: 'retrieval', service: 'retrieval', args, variables: hubVariables }];
}

/** What the recipe names is there or the fleet does not start: rollouts never search another way than it says (P9). */
function retrievalFlags({ retrieval }: Recipe, corpus: string): Record<string, string | number> {
  const { method, analyzer, k1, b, encoder, reranker } = retrieval;
  return {
    corpus,
    analyzer,
    k1,
    b,
    'default-mode': method,
    'require-models': 'true',
    ...(encoder !== undefined && { encoder }),
    ...(reranker !== undefined && {
      reranker: reranker.model,
      'rerank-from': reranker.candidates,
      'rerank-to': reranker.candidates,
    }),
  };
}

/** None where there is one already. */
function learnerService({ recipe }: FleetInputs, roots: readonly string[]): PlannedService[] {
  const { learner, scripted } = recipe.fleet;
  const devices = rankDevices(recipe);
  const planned = (program: PlannedProgram): PlannedService[] => [{ label: 'learner', service: 'learner', ...program }];
  switch (learner.kind) {
    case 'external':
      return [];
    case 'builtin':
      return planned({
        threads: learner.threads,
        args: flags({
          threads: learner.threads,
          ...(learner.ranks === 1 && { device: devices[0] ?? 'cpu' }),
          ...(learner.ranks > 1 && {
            'rank-timeout-ms': learner.rank_timeout_ms,
            'rank-silence-ms': recipe.fleet.hung_after_ms,
          }),
          'micro-batch-tokens': learner.micro_batch_tokens,
          ...(learner.precision !== 'float32' && { precision: learner.precision }),
          ...(learner.activation_checkpointing && { 'activation-checkpointing': 'true' }),
          ...(learner.peak_tflops !== undefined && { 'peak-tflops': learner.peak_tflops }),
          ...rootFlag(roots),
        }),
        ...(learner.ranks > 1 && { ranks: devices.map((device) => flags({ device })) }),
      });
    case 'scripted':
      return planned({
        program: 'scripted-learner',
        args: flags({ 'step-ms': scripted.step_ms, ...rootFlag(roots) }),
      });
  }
}

/** `enginesFolder`: where engines that are added later are kept. */
export function planPolicy(
  { recipe, paths }: FleetInputs,
  engines: readonly string[],
  enginesFolder?: string,
): PlannedService {
  const { endpoint } = recipe.model;
  if (endpoint !== undefined) return planEndpoint(endpoint, recipe.fleet.engine);
  const { generateMs, load } = serviceDeadlines(recipe);
  return {
    label: 'policy',
    service: 'policy',
    args: flags({
      engines: (existingEngines(recipe) ?? engines).join(','),
      ...(enginesFolder !== undefined && { 'engines-folder': enginesFolder }),
      tokenizer: join(paths.model, 'tokenizer.json'),
      'generate-timeout-ms': generateMs,
      // What waits for a version waits for the server to be started with it.
      ...(load !== undefined && { 'load-timeout-ms': load.engineMs, 'max-outage-ms': load.engineMs }),
    }),
  };
}

/** Each in front of all engines. */
export function planGateways(
  inputs: FleetInputs,
  engines: readonly string[],
  enginesFolder?: string,
): PlannedService[] {
  const planned = planPolicy(inputs, engines, enginesFolder);
  const { gateways } = inputs.recipe.fleet;
  return Array.from({ length: gateways }, (_, index) => ({
    ...planned,
    // One address is served by one of them.
    args: index === 0 ? [...planned.args, ...flags(sessionFlags(inputs.recipe))] : planned.args,
    label: gateways === 1 ? planned.label : `${planned.label}-${index + 1}`,
  }));
}

function planEndpoint(
  endpoint: NonNullable<Recipe['model']['endpoint']>,
  { max_context: maxContext, max_running: maxRunning }: Recipe['fleet']['engine'],
): PlannedService {
  const { baseUrl, model, maxTokensField, apiKeyEnv, extraBody } = endpointSettings(endpoint);
  return {
    label: 'policy',
    service: 'policy',
    program: 'endpoint-policy',
    args: flags({
      'base-url': baseUrl,
      model,
      'max-tokens-field': maxTokensField,
      ...(apiKeyEnv !== undefined && { 'api-key-env': apiKeyEnv }),
      ...(extraBody !== undefined && { 'extra-body': JSON.stringify(extraBody) }),
      'max-context': maxContext,
      'max-running': maxRunning,
    }),
    variables: apiKeyEnv === undefined ? [] : [apiKeyEnv],
  };
}

/** Agents that are not programs of a worker reach their sessions through the gateway. */
function sessionFlags(recipe: Recipe): Record<string, string> {
  const sessions = environmentSessions(recipe);
  if (sessions === undefined) return {};
  const { listen, url } = sessions;
  return {
    'sessions-http': listen,
    ...(url !== undefined && { 'allowed-hosts': JSON.stringify([new URL(url).hostname]) }),
  };
}

export interface TopAddresses {
  readonly natsUrl: string;
  /** Another one each time: a new fleet leaves runs of earlier ones alone until they are resumed. */
  readonly fleetId: string;
  /** Of the gateways; several with commas between. */
  readonly policy: string;
  /** False where nothing but rollouts is wanted. Default true. */
  readonly coordinators?: boolean;
  /** Folders and files that runs may name; empty is any. */
  readonly roots?: readonly string[];
  /** Where the runs of recipes lie that are submitted; absent where none are taken. */
  readonly home?: string;
  /** Absent where no stage trains. */
  readonly learner?: string;
  /** Absent where the environment needs none. */
  readonly retrieval?: string;
  readonly reward: string;
}

export function planTop({ recipe, paths }: FleetInputs, at: TopAddresses): PlannedService[] {
  const { learner } = at;
  const { callMs, load } = serviceDeadlines(recipe);
  const coordinators = Array.from(
    { length: (at.coordinators ?? true) ? recipe.fleet.coordinators : 0 },
    (_, index): PlannedService => ({
      label: recipe.fleet.coordinators === 1 ? 'coordinator' : `coordinator-${index + 1}`,
      service: 'coordinator',
      args: flags({
        'nats-url': at.natsUrl,
        policy: at.policy,
        ...(learner !== undefined && { learner }),
        ...(load !== undefined && { 'load-timeout-ms': load.fleetMs }),
        reward: at.reward,
        ...environmentFlag(paths),
        ...(at.home !== undefined && { home: at.home }),
        ...rootFlag(at.roots ?? []),
        'max-runs': recipe.fleet.max_runs,
        'max-queued-runs': recipe.fleet.max_queued_runs,
        'fleet-id': at.fleetId,
        'coordinator-id': `coordinator-${index + 1}`,
      }),
    }),
  );
  const workers = Array.from({ length: recipe.fleet.workers }, (_, index): PlannedService => ({
    label: `rollout-${index + 1}`,
    service: 'rollout',
    replaceGraceMs: workerReplaceGraceMs,
    variables: environmentVariables(recipe),
    args: flags({
      'nats-url': at.natsUrl,
      policy: at.policy,
      ...(at.retrieval !== undefined && { retrieval: at.retrieval }),
      reward: at.reward,
      ...environmentFlag(paths),
      ...environmentLimitFlags(recipe),
      concurrency: recipe.fleet.concurrency,
      'call-timeout-ms': callMs,
      'worker-id': `rollout-${index + 1}`,
    }),
  }));
  return [...coordinators, ...workers];
}

/** Of a file with an environment of the user's own. */
export function environmentLimitFlags({
  environment: { limits },
}: Pick<Recipe, 'environment'>): Record<string, string> {
  if (limits === undefined) return {};
  return {
    'environment-processes': String(limits.processes),
    'environment-memory-mebibytes': String(limits.memory_mebibytes),
    'environment-start-timeout-ms': String(limits.start_timeout_ms),
    'environment-variables': JSON.stringify(limits.environment),
  };
}

function environmentFlag({ environment_file: file }: RecipePaths): Record<string, string> {
  return file === undefined ? {} : { 'environment-files': JSON.stringify([file]) };
}
