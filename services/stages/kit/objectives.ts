import { z } from 'zod';
import type { LearnerBatch } from './learner-batch.ts';
import { learningRateFields } from './learning-rate.ts';
import { skippedStepsFields } from './skipped-steps.ts';

/**
 * What the learner's objectives take, by the names that a recipe has: nothing else here lists them. An option goes to the learner as it is in
 * the recipe. The learner has the same names and defaults (services/learner/gradus_learner/objectives), which a test holds together.
 */
interface Objective<Fields> {
  readonly name: string;
  readonly fields: Fields;
}

const mismatchCorrections = ['none', 'tis', 'icepop', 'sequence_tis'] as const;

export const policyGradient = {
  name: 'policy_gradient',
  fields: {
    policy_loss: z
      .enum(['clip', 'gspo', 'cispo'])
      .default('clip')
      .describe(
        'Loss of a token: `clip` by its own ratio (PPO, DAPO); `gspo` by the ratio of its sequence; `cispo` without losing the gradient of a token that is cut, and without `clip_low` and `dual_clip`.',
      ),
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
    kl_estimator: z
      .enum(['k2', 'k3', 'ratio_k3'])
      .default('ratio_k3')
      .describe(
        'Loss of that KL, whose gradient is: `ratio_k3` exact, also after several updates; `k2` exact for the first update; `k3` biased, .42 of its norm, as in the paper of GRPO.',
      ),
    mismatch_correction: z.enum(mismatchCorrections).default('none'),
    mismatch_low: z.number().min(0).max(1).default(0.5).describe('Lower bound of the icepop weight.'),
    mismatch_cap: z.number().min(1).max(1000).default(2).describe('Upper bound of the weight.'),
    learning_rate: z.number().min(0).max(1).default(1e-6).describe('AdamW.'),
    weight_decay: z.number().min(0).max(1).default(0).describe('AdamW.'),
    max_grad_norm: z.number().positive().max(1_000_000).default(1).describe('Gradients are scaled down to this norm.'),
    epochs: z.int().min(1).max(100).default(1).describe('Passes over a batch.'),
    updates_per_epoch: z
      .int()
      .min(1)
      .max(1024)
      .default(1)
      .describe(
        'Optimiser updates in a pass; each sees whole groups, in another order in each pass. At most `batch.groups`.',
      ),
    mask_truncated: z
      .boolean()
      .default(false)
      .describe(
        "Leave samples that a token limit ended out of the loss: it cut the last turn, or a tool's text left no room for one.",
      ),
    entropy_coefficient: z.number().min(0).max(100).default(0).describe('Entropy bonus; 0 is off.'),
  },
};

/** Of a critic; a recipe's stage has them with `advantage: gae`. */
export const criticFields = {
  gamma: z.number().min(0).max(1).default(1).describe('`gae`: discount of each token.'),
  gae_lambda: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe(
      "`gae`: lambda. 1: a token's advantage is the discounted reward less its value; below, later values count in its place.",
    ),
  value_clip: z
    .number()
    .min(0)
    .max(1000)
    .default(0.2)
    .describe('`gae`: how far a value moves in a step before it loses its gradient (PPO); 0 is off.'),
  value_coefficient: z.number().positive().max(1000).default(0.5).describe('`gae`: of the value loss.'),
  value_learning_rate: z
    .number()
    .positive()
    .max(1)
    .default(1e-4)
    .describe('`gae`: AdamW, of the critic alone; constant.'),
  value_trains_policy: z
    .boolean()
    .default(false)
    .describe('`gae`: the value loss also trains the layers that policy and critic share.'),
};

export const actorCritic = { name: 'actor_critic', fields: { ...policyGradient.fields, ...criticFields } };

export const supervised = {
  name: 'supervised',
  fields: {
    learning_rate: z.number().positive().max(1).default(1e-5).describe('AdamW; the peak of the schedule.'),
    weight_decay: z.number().min(0).max(1).default(0).describe('AdamW, matrices only.'),
    beta2: z.number().positive().lt(1).default(0.999).describe("AdamW's decay of the second moment."),
    max_grad_norm: z.number().positive().max(1_000_000).default(1).describe('Gradients are scaled down to this norm.'),
    max_tokens: z
      .int()
      .min(0)
      .max(1_048_576)
      .default(0)
      .describe('Rows with more tokens are left out, and counted as `train/samples_too_long`; 0 takes all.'),
    precision: z
      .enum(['learner', 'float32', 'bfloat16'])
      .default('learner')
      .describe(
        'Of the passes: `fleet.learner.precision` or another. bfloat16 is faster where the processor multiplies it; weights stay float32.',
      ),
    context_weight: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe(
        'Weight of prompt and environment tokens in the loss; 0 learns what the model writes and nothing else.',
      ),
  },
};

export const preference = {
  name: 'preference',
  fields: {
    beta: z
      .number()
      .positive()
      .max(100)
      .default(0.1)
      .describe(
        'How closely the policy is held to the one that entered the stage: a greater one lets it go less far. Of `ipo` its tau.',
      ),
    loss_type: z
      .enum(['sigmoid', 'sigmoid_norm', 'ipo'])
      .default('sigmoid')
      .describe(
        'Loss of a pair by its margin: `sigmoid` is DPO, of sums over tokens; `sigmoid_norm` the same of means over tokens; `ipo` the squared distance of such means from 1 / (2 beta).',
      ),
    label_smoothing: z
      .number()
      .min(0)
      .lt(0.5)
      .default(0)
      .describe('Share of pairs that are taken to be the wrong way round (conservative DPO). Not with `ipo`.'),
    sft_weight: z
      .number()
      .min(0)
      .max(100)
      .default(0)
      .describe('Weight of the mean cross-entropy of the tokens of chosen answers, added to the loss (RPO); 0 is off.'),
    learning_rate: z.number().positive().max(1).default(1e-6).describe('AdamW; the peak of the schedule.'),
    weight_decay: supervised.fields.weight_decay,
    max_grad_norm: supervised.fields.max_grad_norm,
    beta2: supervised.fields.beta2,
    max_tokens: z
      .int()
      .min(0)
      .max(1_048_576)
      .default(0)
      .describe(
        'Pairs with more tokens in prompt and either answer are left out, and their two samples counted as `train/samples_too_long`; 0 takes all.',
      ),
  },
};

export const algorithmSchema = z
  .strictObject({
    advantage: z
      .enum(['grpo', 'grpo_no_std', 'rloo', 'gae'])
      .default('grpo')
      .describe(
        'Advantage from the rewards of a group, one for each sample; `gae`: from its own reward and the values of a critic that the learner trains, one for each token (PPO).',
      ),
    dynamic_sampling: z.boolean().default(true).describe('Replace groups whose rewards do not vary (DAPO).'),
    dynamic_sampling_by: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .describe(
        'Component that has to vary in the place of the whole reward, such as exact_match: DAPO looks at accuracy alone. Not with roles.',
      ),
    variance_tolerance: z
      .number()
      .min(0)
      .max(1)
      .default(1e-6)
      .describe('Standard deviation up to which rewards count as equal.'),
    ...actorCritic.fields,
    ...learningRateFields,
    ...skippedStepsFields,
    mismatch_correction: z
      .enum(['auto', ...mismatchCorrections])
      .default('auto')
      .describe(
        'Correction of engine against learner probabilities. `auto`: `tis` where max_staleness is above 0, so that samples of older versions are corrected for it, `none` otherwise.',
      ),
  })
  .prefault({})
  .describe('Defaults are DAPO (arXiv 2503.14476).');

/** Its options are those of `given` by these names; `changes` are of this step. */
export function objectiveOf<Name extends string>(
  { name, fields }: Objective<Readonly<Record<Name, unknown>>>,
  given: NoInfer<Readonly<Record<Name, string | number | boolean>>>,
  changes: NoInfer<Partial<Record<Name, number | string>>>,
): LearnerBatch['objective'] {
  const options: Record<string, string | number | boolean> = {};
  for (const option in fields) options[option] = changes[option] ?? given[option];
  return { name, options };
}
