import type { BatchSource, LearnerBatch } from '../kit/learner-batch.ts';
import type { FormedBatch } from '../kit/stage-kind.ts';
import type { RlStage } from './schema.ts';

/** The sequences of a batch with their advantages, of all roles together, and how the policy is updated on them. */
export async function batchOfRl(
  { algorithm, limits, sampling, until }: RlStage,
  { stageStep, samples }: FormedBatch,
  source: BatchSource,
): Promise<LearnerBatch> {
  const learnt = samples.flatMap((sample) => {
    const parts = partsOf(sample);
    return parts.length === 0 ? [] : [{ sample, parts }];
  });
  const count = learnt.reduce((sum, { parts }) => sum + parts.length, 0);
  return {
    count,
    async *samples() {
      for (const { sample, parts } of learnt) {
        const trajectory = await source.trajectory(sample);
        for (const { role, advantage, truncated } of parts) yield { trajectory, advantage, truncated, role };
      }
    },
    last: stageStep + 1 >= until.steps,
    temperature: sampling.temperature,
    setReference: stageStep === 0 && algorithm.kl_coefficient > 0,
    objective: {
      case: 'algorithm',
      value: {
        clipLow: algorithm.clip_low,
        clipHigh: algorithm.clip_high,
        dualClip: algorithm.dual_clip,
        aggregation: algorithm.aggregation,
        horizonTokens: algorithm.horizon_tokens === 0 ? limits.context_tokens : algorithm.horizon_tokens,
        klCoefficient: algorithm.kl_coefficient,
        klEstimator: algorithm.kl_estimator,
        mismatchCorrection: algorithm.mismatch_correction,
        mismatchLow: algorithm.mismatch_low,
        mismatchCap: algorithm.mismatch_cap,
        epochs: algorithm.epochs,
        updatesPerEpoch: Math.min(algorithm.updates_per_epoch, count),
        learningRate: algorithm.learning_rate,
        warmupSteps: algorithm.warmup_steps,
        weightDecay: algorithm.weight_decay,
        maxGradNorm: algorithm.max_grad_norm,
        maskTruncated: algorithm.mask_truncated,
        entropyCoefficient: algorithm.entropy_coefficient,
      },
    },
  };
}

type Sample = FormedBatch['samples'][number];

/** The sequences of a sample that are trained on. */
function partsOf({ roles, advantage, truncated }: Sample) {
  return roles.length === 0 ? [{ role: '', advantage, truncated }] : roles.filter(({ trained }) => trained);
}
