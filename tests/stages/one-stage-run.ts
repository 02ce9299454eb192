/** What the tests of the pipeline run: one stage, and a worker whose rewards depend on the task alone. */
import type { Nats } from '#platform/nats/connect.ts';
import { queuedTasks } from '#platform/nats/queued-tasks.ts';
import { rewardOf } from '../coordinator/played-worker.ts';
import type { Worker } from '../coordinator/played-worker.ts';

/** Four synchronous steps of three groups of four. */
export const fourSteps = `
name: test
seed: 3
model: { path: model }
data: { files: { train: train.jsonl, held_out: held-out.jsonl, corpus: corpus.jsonl } }
eval: { questions: 6 }
checkpoints: { every_steps: 2 }
fleet: { max_open_rollouts: 16 }
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 288, max_new_tokens: 48, tool_timeout_ms: 100, turn_timeout_ms: 200, rollout_timeout_ms: 1000 }
    deadlines: { group_ms: 20000, step_ms: 40000 }
    rewards: { exact_match: 1 }
    batch: { groups: 3, group_size: 4, max_generation_batches: 4 }
    until: { steps: 4 }
`;

export const recipeWith = (staleness: number, more: { until?: string; groups?: string; top?: string } = {}) => `
name: test
seed: 3
model: { path: model }
data: { files: { train: train.jsonl, held_out: held-out.jsonl, corpus: corpus.jsonl } }
eval: { questions: 3, sampled: false }
checkpoints: { every_steps: 2 }
fleet: { max_open_rollouts: 36 }
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 288, max_new_tokens: 48, tool_timeout_ms: 100, turn_timeout_ms: 200, rollout_timeout_ms: 1000 }
    deadlines: { group_ms: 20000, step_ms: 40000 }
    rewards: { exact_match: 1 }
    batch: { groups: 3, group_size: 4, max_generation_batches: 4 }
    groups: ${more.groups ?? '{ on_deadline: retry }'}
    max_staleness: ${staleness}
    until: ${more.until ?? '{ steps: 4 }'}
`;

export const rewarded: Worker = (task) => ({ result: { reward: rewardOf(task) } });

/** Ids of the run's tasks that are in the queue. */
export async function queuedIds(nats: Nats, runId: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { task } of queuedTasks(nats, runId, AbortSignal.timeout(100_000))) ids.push(task.taskId);
  return ids;
}
