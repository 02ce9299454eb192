import type { Recipe } from '#shared/recipe/schema.ts';
import type { RecipePaths } from '#shared/recipe/resolve-recipe.ts';
import { join } from 'node:path';
import type { ServiceName } from './service-programs.ts';

/** One process of the fleet. `args` get `--grpc` and `--metrics` added when it starts. */
export interface PlannedService {
  readonly label: string;
  readonly service: ServiceName;
  readonly args: readonly string[];
  /** CPU threads of a Python service. */
  readonly threads?: number;
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
export function planBase({ recipe, paths }: FleetInputs): PlannedService[] {
  const { engine, learner } = recipe.fleet;
  const engines = Array.from({ length: recipe.fleet.engines }, (_, index): PlannedService => ({
    label: recipe.fleet.engines === 1 ? 'engine' : `engine-${index + 1}`,
    service: 'engine',
    threads: engine.threads,
    args: flags({
      model: paths.model,
      'max-context': engine.max_context,
      'max-running': engine.max_running,
      'cache-mebibytes': engine.cache_mebibytes,
      threads: engine.threads,
      device: engine.device,
    }),
  }));
  const { analyzer, k1, b } = recipe.retrieval;
  return [
    {
      label: 'retrieval',
      service: 'retrieval',
      args: flags({ corpus: paths.corpus, analyzer, k1, b }),
    },
    { label: 'reward', service: 'reward', args: [] },
    ...engines,
    {
      label: 'learner',
      service: 'learner',
      threads: learner.threads,
      args: flags({
        threads: learner.threads,
        device: learner.device,
        'micro-batch-tokens': learner.micro_batch_tokens,
      }),
    },
  ];
}

export function planPolicy({ paths }: FleetInputs, engines: readonly string[]): PlannedService {
  return {
    label: 'policy',
    service: 'policy',
    args: flags({ engines: engines.join(','), tokenizer: join(paths.model, 'tokenizer.json') }),
  };
}

export interface TopAddresses {
  readonly natsUrl: string;
  readonly policy: string;
  readonly learner: string;
  readonly retrieval: string;
  readonly reward: string;
}

export function planTop({ recipe }: FleetInputs, at: TopAddresses): PlannedService[] {
  const workers = Array.from({ length: recipe.fleet.workers }, (_, index): PlannedService => ({
    label: `rollout-${index + 1}`,
    service: 'rollout',
    args: flags({
      'nats-url': at.natsUrl,
      policy: at.policy,
      retrieval: at.retrieval,
      reward: at.reward,
      concurrency: recipe.fleet.concurrency,
      'worker-id': `rollout-${index + 1}`,
    }),
  }));
  return [
    {
      label: 'coordinator',
      service: 'coordinator',
      args: flags({ 'nats-url': at.natsUrl, policy: at.policy, learner: at.learner }),
    },
    ...workers,
  ];
}
