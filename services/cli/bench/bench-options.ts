import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { kebab } from '#platform/runtime/config-fields.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';
import { rolloutStages } from '#stages/kit/rollout-stages.ts';

const count = (most: number) => z.int().min(1).max(most);

/** Bounds of what may be asked of `gradus bench rollouts`. */
const benchOptionsSchema = z.object({
  rollouts: count(10_000_000),
  warmUp: z.int().min(0).max(100_000),
  workers: count(1024),
  engines: count(1024),
  concurrency: count(4096),
  turns: count(100),
  latencyMedianMs: z.number().min(0).max(600_000),
  latencySigma: z.number().min(0).max(4),
  rightProbability: z.number().min(0).max(1),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1),
});
export type BenchOptions = z.infer<typeof benchOptionsSchema>;

/** The shared consumer of the task queue hands out this many at a time, over all workers. */
const mostHeld = 65_536;

/** Throws TerminalError that names each option that is out of its bounds. */
export function parseBenchOptions(given: unknown): BenchOptions {
  const parsed = benchOptionsSchema.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.map(({ path, message }) => `${kebab(path.map(String))}: ${message}`);
    throw new TerminalError('invalid_argument', lines.join('\n'));
  }
  const { workers, concurrency } = parsed.data;
  if (workers * concurrency > mostHeld) {
    throw new TerminalError(
      'invalid_argument',
      `--workers ${workers} times --concurrency ${concurrency} is ${workers * concurrency} rollouts at once; the task queue hands out ${mostHeld}`,
    );
  }
  return parsed.data;
}

/**
 * The recipe whose fleet is measured: the environment, data and rewards of `base`, at the sizes that are asked for. Nothing of it
 * trains. A world is made anew by the seed.
 */
export function benchRecipe(options: BenchOptions, base: Recipe): Recipe {
  const contextTokens = 512 + 192 * options.turns;
  const [stage] = rolloutStages(base);
  if (stage === undefined)
    throw new TerminalError('invalid_argument', `recipe ${base.name} has no stage with rollouts to measure`);
  const recipe = {
    ...base,
    name: 'bench-rollouts',
    seed: options.seed,
    data:
      base.data.world === undefined
        ? base.data
        : { world: { ...base.data.world, seed: options.seed, train: 1000, held_out: 50 } },
    fleet: {
      workers: options.workers,
      engines: options.engines,
      concurrency: options.concurrency,
      engine: { kind: 'scripted', max_context: contextTokens, max_running: 65_536 },
      learner: { kind: 'scripted' },
      scripted: {
        turns: options.turns,
        right_probability: options.rightProbability,
        latency_median_ms: options.latencyMedianMs,
        latency_sigma: options.latencySigma,
      },
    },
    eval: { deadline_ms: 7_200_000 },
    stages: [
      {
        name: 'bench',
        limits: {
          context_tokens: contextTokens,
          max_turns: options.turns,
          max_new_tokens: 128,
          tool_timeout_ms: 30_000,
          turn_timeout_ms: 700_000,
          rollout_timeout_ms: 3_600_000,
        },
        deadlines: { group_ms: 7_200_000, step_ms: 14_400_000 },
        rewards: stage.rewards,
        ...(stage.composition !== undefined && { composition: stage.composition }),
        until: { steps: 1 },
      },
    ],
  };
  // JSON is YAML; this way the recipe passes the same checks as one from a file.
  return parseRecipe(JSON.stringify(recipe), 'the bench');
}
