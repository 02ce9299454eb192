import { resolve } from 'node:path';

export interface ChaosRecipe {
  readonly seed: number;
  /** Steps of each of the two stages. */
  readonly stageSteps: number;
  /** Median time of a turn in milliseconds; its distribution has a long tail. */
  readonly turnMs: number;
  readonly trainMs: number;
  readonly workers: number;
  readonly engines: number;
}

/** A policy with a tokenizer; its weights are not used. */
const model = resolve(import.meta.dirname, '../../policies/nano');
const limits = `{ context_tokens: 512, max_turns: 4, max_new_tokens: 48, tool_timeout_ms: 5000, turn_timeout_ms: 20000, rollout_timeout_ms: 60000 }`;

/**
 * Two stages of rollouts with a scripted policy: real NATS, gateway, retrieval, reward and workers, no arithmetic of a
 * model. Everything that decides tasks and rewards is the same whatever `turnMs`, `trainMs`, `workers` and `engines` are.
 * Attempts are many: an infrastructure failure that is never made good would be an absent sample, another accounting.
 */
export function chaosRecipe(options: ChaosRecipe): string {
  const { seed, stageSteps, turnMs, trainMs, workers, engines } = options;
  const stage = (name: string): string => `  - name: ${name}
    limits: ${limits}
    deadlines: { group_ms: 300000, step_ms: 600000 }
    rewards: { exact_match: 1.0, format: 0.25 }
    batch: { groups: 6, group_size: 6, max_generation_batches: 6, on_short: smaller }
    groups: { attempts: 20 }
    algorithm: { dynamic_sampling: true, learning_rate: 1.0e-4 }
    max_staleness: 0
    until: { steps: ${stageSteps} }
`;
  return `name: chaos
seed: ${seed}
model: { path: ${JSON.stringify(model)} }
data: { world: { seed: 3, train: 400, held_out: 60 } }
environment: { name: search, top_k: 3, preview_characters: 150, max_document_characters: 400 }
fleet:
  coordinators: 2
  workers: ${workers}
  engines: ${engines}
  concurrency: 12
  max_open_rollouts: 24
  engine: { kind: scripted, max_context: 512, max_running: 64 }
  learner: { kind: scripted }
  scripted: { turns: 3, right_probability: 0.5, latency_median_ms: ${turnMs}, latency_sigma: 0.6, step_ms: ${trainMs} }
eval: { questions: 12, sampled: true, greedy: true, every_steps: 8 }
checkpoints: { every_steps: 2, keep: 2 }
stages:
${stage('climb')}${stage('extend').replace('max_turns: 4', 'max_turns: 3')}`;
}
