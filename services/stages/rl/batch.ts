import type { BatchSource, LearnerBatch } from '../kit/learner-batch.ts';
import { learningRateAt } from '../kit/learning-rate.ts';
import { actorCritic, objectiveOf, policyGradient } from '../kit/objectives.ts';
import type { FormedBatch } from '../kit/stage-kind.ts';
import type { RlStage } from './schema.ts';

/** The sequences of a batch with their advantages, of all roles together, and how the policy is updated on them. */
export async function batchOfRl(
  { algorithm, limits, sampling, until, max_staleness: maxStaleness }: RlStage,
  { stageStep, samples, groupSizes }: FormedBatch,
  source: BatchSource,
): Promise<LearnerBatch> {
  const groups = groupSizes.flatMap((size, group) => Array<number>(size).fill(group));
  const learnt = samples.flatMap((sample, index) => {
    const parts = partsOf(sample);
    return parts.length === 0 ? [] : [{ sample, parts, group: groups[index] }];
  });
  const count = learnt.reduce((sum, { parts }) => sum + parts.length, 0);
  const changes = {
    horizon_tokens: algorithm.horizon_tokens === 0 ? limits.context_tokens : algorithm.horizon_tokens,
    learning_rate: learningRateAt(algorithm, stageStep, until.steps),
    mismatch_correction: correctionOf(algorithm, maxStaleness),
  };
  return {
    count,
    async *samples() {
      for (const { sample, parts, group } of learnt) {
        const trajectory = await source.trajectory(sample);
        for (const { role, advantage, truncated } of parts)
          yield { trajectory, advantage, truncated, role, ...(group !== undefined && { group }) };
      }
    },
    last: stageStep + 1 >= until.steps,
    temperature: sampling.temperature,
    setReference: stageStep === 0 && algorithm.kl_coefficient > 0,
    objective:
      algorithm.advantage === 'gae'
        ? objectiveOf(actorCritic, algorithm, changes)
        : objectiveOf(policyGradient, algorithm, changes),
  };
}

/** Samples of older versions are corrected for it unless the recipe says otherwise. */
export function correctionOf(
  { mismatch_correction: asked }: Pick<RlStage['algorithm'], 'mismatch_correction'>,
  maxStaleness: number,
): string {
  if (asked !== 'auto') return asked;
  return maxStaleness > 0 ? 'tis' : 'none';
}

type Sample = FormedBatch['samples'][number];

/** The sequences of a sample that are trained on. */
function partsOf({ roles, advantage, truncated }: Sample) {
  return roles.length === 0 ? [{ role: '', advantage, truncated }] : roles.filter(({ trained }) => trained);
}
