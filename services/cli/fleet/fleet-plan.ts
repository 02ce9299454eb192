import { questionFormatOf } from '#shared/questions/question-format.ts';
import type { Recipe } from '#shared/recipe/schema.ts';
import type { RecipePaths } from '#shared/recipe/resolve-recipe.ts';
import { join } from 'node:path';
import { keyVariables, rewardFlags } from './reward-plan.ts';
import { serviceDeadlines } from './service-deadlines.ts';
import type { ServiceName } from './service-programs.ts';

/** One process of the fleet. `args` get `--grpc` and `--metrics` added when it starts. */
export interface PlannedService {
  readonly label: string;
  readonly service: ServiceName;
  /** What runs in that role; the service's own program when absent. */
  readonly program?: ServiceName;
  readonly args: readonly string[];
  /** CPU threads of a Python service. */
  readonly threads?: number;
  /** Environment variables that it reads beside its own settings: keys of other servers. */
  readonly variables?: readonly string[];
}

/** `{ 'max-context': 1024 }` as `--max-context 1024`. */
export function flags(values: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(values).flatMap(([key, value]) => [`--${key}`, `${value}`]);
}

export interface FleetInputs {
  readonly recipe: Recipe;
  readonly paths: RecipePaths;
}

/** Services that need nobody: they start first, side by side. */
export function planBase(inputs: FleetInputs): PlannedService[] {
  const { recipe, paths } = inputs;
  const engines = Array.from({ length: recipe.fleet.engines }, (_, index): PlannedService => ({
    label: recipe.fleet.engines === 1 ? 'engine' : `engine-${index + 1}`,
    service: 'engine',
    ...engineProgram(inputs),
  }));
  const { analyzer, k1, b } = recipe.retrieval;
  return [
    {
      label: 'retrieval',
      service: 'retrieval',
      args: flags({ corpus: paths.corpus, analyzer, k1, b }),
    },
    {
      label: 'reward',
      service: 'reward',
      args: flags(rewardFlags(recipe, paths)),
      variables: keyVariables(recipe),
    },
    ...engines,
    { label: 'learner', service: 'learner', ...learnerProgram(inputs) },
  ];
}

type PlannedProgram = Pick<PlannedService, 'program' | 'args' | 'threads'>;

function engineProgram({ recipe, paths }: FleetInputs): PlannedProgram {
  const { engine, scripted } = recipe.fleet;
  const bounds = { 'max-context': engine.max_context, 'max-running': engine.max_running };
  switch (engine.kind) {
    case 'builtin':
      return {
        threads: engine.threads,
        args: flags({
          ...bounds,
          model: paths.model,
          'cache-mebibytes': engine.cache_mebibytes,
          threads: engine.threads,
          device: engine.device,
        }),
      };
    case 'scripted':
      return {
        program: 'scripted-engine',
        args: flags({
          ...bounds,
          tokenizer: join(paths.model, 'tokenizer.json'),
          questions: JSON.stringify([paths.train, paths.held_out]),
          'questions-format': questionFormatOf(recipe.data),
          corpus: paths.corpus,
          'prompt-template': recipe.environment.prompt_template,
          codec: recipe.environment.codec,
          turns: scripted.turns,
          'right-probability': scripted.right_probability,
          'latency-median-ms': scripted.latency_median_ms,
          'latency-sigma': scripted.latency_sigma,
        }),
      };
  }
}

function learnerProgram({ recipe }: FleetInputs): PlannedProgram {
  const { learner, scripted } = recipe.fleet;
  switch (learner.kind) {
    case 'builtin':
      return {
        threads: learner.threads,
        args: flags({
          threads: learner.threads,
          device: learner.device,
          'micro-batch-tokens': learner.micro_batch_tokens,
        }),
      };
    case 'scripted':
      return { program: 'scripted-learner', args: flags({ 'step-ms': scripted.step_ms }) };
  }
}

export function planPolicy({ recipe, paths }: FleetInputs, engines: readonly string[]): PlannedService {
  return {
    label: 'policy',
    service: 'policy',
    args: flags({
      engines: engines.join(','),
      tokenizer: join(paths.model, 'tokenizer.json'),
      'generate-timeout-ms': serviceDeadlines(recipe).generateMs,
    }),
  };
}

export interface TopAddresses {
  readonly natsUrl: string;
  /** Another one each time: a new fleet leaves runs of earlier ones alone until they are resumed. */
  readonly fleetId: string;
  readonly policy: string;
  /** Absent where nothing is trained; then there is no coordinator either. */
  readonly learner?: string;
  readonly retrieval: string;
  readonly reward: string;
}

export function planTop({ recipe }: FleetInputs, at: TopAddresses): PlannedService[] {
  const { learner } = at;
  const coordinators = Array.from(
    { length: learner === undefined ? 0 : recipe.fleet.coordinators },
    (_, index): PlannedService => ({
      label: recipe.fleet.coordinators === 1 ? 'coordinator' : `coordinator-${index + 1}`,
      service: 'coordinator',
      args: flags({
        'nats-url': at.natsUrl,
        policy: at.policy,
        learner: learner ?? '',
        reward: at.reward,
        'fleet-id': at.fleetId,
        'coordinator-id': `coordinator-${index + 1}`,
      }),
    }),
  );
  const workers = Array.from({ length: recipe.fleet.workers }, (_, index): PlannedService => ({
    label: `rollout-${index + 1}`,
    service: 'rollout',
    args: flags({
      'nats-url': at.natsUrl,
      policy: at.policy,
      retrieval: at.retrieval,
      reward: at.reward,
      concurrency: recipe.fleet.concurrency,
      'call-timeout-ms': serviceDeadlines(recipe).callMs,
      'worker-id': `rollout-${index + 1}`,
    }),
  }));
  return [...coordinators, ...workers];
}
