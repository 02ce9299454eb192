import { z } from 'zod';

/** Parts of a stage that are passed on to workers, engines and the learner. */

const hour = 3600_000;

export const limitsSchema = z
  .strictObject({
    context_tokens: z
      .int()
      .min(16)
      .max(1_048_576)
      .describe('Most tokens of the whole sequence, prompt and environment included.'),
    max_turns: z.int().min(1).max(1000).default(10).describe('Most model turns.'),
    max_new_tokens: z.int().min(1).max(1_048_576).default(512).describe('Most tokens of one turn.'),
    tool_timeout_ms: z.int().min(1).max(hour).default(5000).describe('Longest tool call.'),
    turn_timeout_ms: z
      .int()
      .min(1)
      .max(24 * hour)
      .default(30_000)
      .describe('Longest turn, generation and tool together.'),
    rollout_timeout_ms: z
      .int()
      .min(1)
      .max(24 * hour)
      .default(120_000)
      .describe('Longest rollout.'),
  })
  .describe('Bounds of one rollout.');

export const samplingSchema = z
  .strictObject({
    temperature: z.number().positive().max(10).default(1).describe('Temperature of training rollouts.'),
    top_p: z.number().positive().max(1).default(1).describe('Nucleus mass; 1 is off.'),
    top_k: z.int().min(0).max(1_000_000).default(0).describe('Keep the likeliest tokens; 0 is off.'),
  })
  .prefault({})
  .describe('How training rollouts are drawn.');

export const algorithmSchema = z
  .strictObject({
    advantage: z
      .enum(['grpo', 'grpo_no_std', 'rloo'])
      .default('grpo')
      .describe('Advantage from the rewards of a group.'),
    dynamic_sampling: z.boolean().default(true).describe('Replace groups whose rewards do not vary (DAPO).'),
    variance_tolerance: z
      .number()
      .min(0)
      .max(1)
      .default(1e-6)
      .describe('Standard deviation up to which rewards count as equal.'),
    clip_low: z.number().min(0).max(1).default(0.2).describe('Lower clip range of the ratio.'),
    clip_high: z.number().min(0).max(10).default(0.28).describe('Upper clip range of the ratio (clip-higher).'),
    dual_clip: z.number().min(0).max(1000).default(10).describe('Bound for negative advantages, > 1; 0 is off.'),
    aggregation: z
      .enum(['token_mean', 'token_sum', 'seq_mean_token_sum', 'seq_mean_token_mean', 'seq_mean_token_sum_norm'])
      .default('token_mean')
      .describe('How token losses become one number.'),
    horizon_tokens: z
      .int()
      .min(0)
      .max(1_048_576)
      .default(0)
      .describe('Horizon of seq_mean_token_sum_norm; 0 is the context limit.'),
    kl_coefficient: z
      .number()
      .min(0)
      .max(100)
      .default(0)
      .describe('KL to the policy that entered the stage; 0 is off.'),
    kl_estimator: z.enum(['k1', 'k2', 'k3']).default('k3').describe('Estimator of that KL.'),
    mismatch_correction: z
      .enum(['none', 'tis', 'icepop', 'sequence_tis'])
      .default('none')
      .describe('Correction of engine against learner probabilities.'),
    mismatch_low: z.number().min(0).max(1).default(0.5).describe('Lower bound of the icepop weight.'),
    mismatch_cap: z.number().min(1).max(1000).default(2).describe('Upper bound of the weight.'),
    learning_rate: z.number().min(0).max(1).default(1e-6).describe('AdamW.'),
    warmup_steps: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(0)
      .describe('Steps over which the learning rate rises to its value.'),
    weight_decay: z.number().min(0).max(1).default(0).describe('AdamW.'),
    max_grad_norm: z.number().positive().max(1_000_000).default(1).describe('Gradients are scaled down to this norm.'),
    epochs: z.int().min(1).max(100).default(1).describe('Passes over a batch.'),
    updates_per_epoch: z.int().min(1).max(1024).default(1).describe('Optimiser updates in a pass.'),
    mask_truncated: z.boolean().default(false).describe('Leave samples that were cut by a limit out of the loss.'),
    entropy_coefficient: z.number().min(0).max(100).default(0).describe('Entropy bonus; 0 is off.'),
  })
  .prefault({})
  .describe('Defaults are DAPO (arXiv 2503.14476).');
