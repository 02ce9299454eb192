import type { BatchSource, LearnerBatch } from '../kit/learner-batch.ts';
import type { FormedBatch } from '../kit/stage-kind.ts';
import type { RlStage } from './schema.ts';

/** The trajectories of a batch with their advantages, and how the policy is updated on them. */
export async function batchOfRl(
  { algorithm, limits, sampling, until }: RlStage,
  { stageStep, samples }: FormedBatch,
  source: BatchSource,
): Promise<LearnerBatch> {
  return {
    count: samples.length,
    async *samples() {
      for (const sample of samples) {
        const trajectory = await source.trajectory(sample);
        yield { trajectory, advantage: sample.advantage, truncated: sample.truncated };
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
        updatesPerEpoch: Math.min(algorithm.updates_per_epoch, samples.length),
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
