/** Three steps, then two, at the same limits; and the first of these stages alone. */
export const twoStages = `
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
    limits: &short { context_tokens: 288, max_new_tokens: 48, tool_timeout_ms: 100, turn_timeout_ms: 200, rollout_timeout_ms: 1000 }
    deadlines: { group_ms: 20000, step_ms: 40000 }
    rewards: { exact_match: 1 }
    batch: { groups: 3, group_size: 4, max_generation_batches: 4 }
    until: { steps: 3 }
  - name: two
    limits: *short
    deadlines: { group_ms: 20000, step_ms: 40000 }
    rewards: { exact_match: 1 }
    batch: { groups: 3, group_size: 4, max_generation_batches: 4 }
    until: { steps: 2 }
`;

export const oneStage = twoStages.slice(0, twoStages.indexOf('  - name: two'));
