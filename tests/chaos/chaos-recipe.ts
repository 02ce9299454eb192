import { resolve } from 'node:path';

export interface ChaosRecipe {
  readonly seed: number;
  /** Steps of each of the three stages. */
  readonly stageSteps: number;
  /** Median time of a turn in milliseconds; its distribution has a long tail. */
  readonly turnMs: number;
  readonly trainMs: number;
  readonly workers: number;
  readonly engines: number;
}

const root = resolve(import.meta.dirname, '../..');
/** A policy with a tokenizer; its weights are not used. */
const model = resolve(root, 'policies/nano');
const scorer = resolve(root, 'recipes/scorers/exact_answer.py');

/** Policy versions that a sample may be behind, by stage. */
export const stalenessOf: ReadonlyMap<string, number> = new Map([
  ['climb', 0],
  ['extend', 0],
  ['compare', 2],
]);

interface Stage {
  readonly name: string;
  readonly turns: number;
  readonly rewards: Readonly<Record<string, number>>;
  readonly groups: number;
  readonly groupSize: number;
}

const stages: readonly Stage[] = [
  { name: 'climb', turns: 4, rewards: { exact_match: 1, format: 0.25 }, groups: 6, groupSize: 6 },
  { name: 'extend', turns: 3, rewards: { exact_match: 1, format: 0.25 }, groups: 6, groupSize: 6 },
  { name: 'compare', turns: 3, rewards: { preferred: 1, exact_answer: 0.25 }, groups: 6, groupSize: 4 },
];

/** Every reward is a weighted sum. */
export const weightsOf = new Map(stages.map(({ name, rewards }) => [name, rewards]));
export const groupwiseNames: ReadonlySet<string> = new Set(['preferred']);

/**
 * Three stages of rollouts with a scripted policy: real NATS, gateway, retrieval, reward and workers, no arithmetic of a
 * model. The last one is asynchronous, a judge compares its samples, and a scorer of the user's has a process of its own.
 * Everything that decides tasks and rewards is the same whatever `turnMs`, `trainMs`, `workers` and `engines` are.
 * Which group replaces one without variance is a matter of time where steps overlap, so nothing is replaced there.
 * Attempts are many: an infrastructure failure that is never made good would be an absent sample, another accounting.
 */
export function chaosRecipe({ seed, stageSteps, turnMs, trainMs, workers, engines }: ChaosRecipe): string {
  const stage = ({ name, turns, rewards, groups, groupSize }: Stage): string => `  - name: ${name}
    limits: { context_tokens: 512, max_turns: ${turns}, max_new_tokens: 48, tool_timeout_ms: 5000, turn_timeout_ms: 20000, rollout_timeout_ms: 60000 }
    deadlines: { group_ms: 300000, step_ms: 600000 }
    rewards: ${JSON.stringify(rewards)}
    batch: { groups: ${groups}, group_size: ${groupSize}, max_generation_batches: 6, on_short: smaller }
    groups: { attempts: 20 }
    algorithm: { dynamic_sampling: ${stalenessOf.get(name) === 0}, learning_rate: 1.0e-4 }
    max_staleness: ${stalenessOf.get(name) ?? 0}
    until: { steps: ${stageSteps} }
`;
  return `name: chaos
seed: ${seed}
model: { path: ${JSON.stringify(model)} }
data: { world: { seed: 3, train: 400, held_out: 60 } }
environment: { name: search, options: { top_k: 3, preview_characters: 150, max_document_characters: 400 } }
fleet:
  coordinators: 2
  workers: ${workers}
  engines: ${engines}
  concurrency: 12
  max_open_rollouts: 24
  engine: { kind: scripted, max_context: 512, max_running: 64 }
  learner: { kind: scripted }
  scripted: { turns: 3, right_probability: 0.5, latency_median_ms: ${turnMs}, latency_sigma: 0.6, step_ms: ${trainMs} }
  scripted_judges: { main: { latency_median_ms: 5 } }
scorers:
  preferred: { kind: pairwise, judge: main, schedule: circular, rounds: 1 }
  exact_answer: { kind: python, path: ${JSON.stringify(scorer)}, ground_truth: target }
eval: { questions: 12, sampled: true, greedy: true, every_steps: 8 }
checkpoints: { every_steps: 2, keep: 2 }
stages:
${stages.map(stage).join('')}`;
}
