import type { LearnerBatch, BatchSource } from '../kit/learner-batch.ts';
import { learningRateAt } from '../kit/learning-rate.ts';
import { objectiveOf, preference } from '../kit/objectives.ts';
import { createPromptSampler } from '../kit/prompt-sampler.ts';
import { openRowFile } from '../kit/row-file.ts';
import { packPair, parsePreferenceRow } from './row.ts';
import type { DpoStage } from './schema.ts';

/** Pairs of a step: shuffled epochs without replacement, the same whenever the step is sent (P8). A pair is a group of two samples. */
export async function batchOfDpo(stage: DpoStage, stageStep: number, source: BatchSource): Promise<LearnerBatch> {
  const path = source.file(stage.name, 'rows');
  const rows = await source.once(`rows of ${stage.name}`, () => openRowFile(path, parsePreferenceRow));
  const sampler = createPromptSampler({ seed: source.seed, stage: stage.name, sequence: 'prompt', size: rows.size });
  return {
    last: stageStep + 1 >= stage.until.steps,
    temperature: 1,
    setReference: stageStep === 0,
    objective: objectiveOf(preference, stage, { learning_rate: learningRateAt(stage, stageStep, stage.until.steps) }),
    count: 2 * stage.batch,
    async *samples() {
      for (let group = 0; group < stage.batch; group++) {
        const index = sampler.questionAt(stageStep * stage.batch + group);
        const { chosen, rejected } = packPair(await rows.read(index), `${stage.name}/${index}`);
        yield { trajectory: chosen, advantage: 1, group };
        yield { trajectory: rejected, advantage: -1, group };
      }
    },
  };
}
