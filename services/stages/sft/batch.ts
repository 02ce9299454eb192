import { createPromptSampler } from '../kit/prompt-sampler.ts';
import type { LearnerBatch, BatchSource } from '../kit/learner-batch.ts';
import { learningRateAt } from '../kit/learning-rate.ts';
import { objectiveOf, supervised } from '../kit/objectives.ts';
import { openRowFile } from '../kit/row-file.ts';
import { packRow } from '../kit/written-row.ts';
import { parseSftRow } from './row.ts';
import type { SftStage } from './schema.ts';

/** What is learnt, by number. */
interface RowSet {
  readonly size: number;
  /** A gzipped trajectory. */
  read(index: number): Promise<Uint8Array>;
}

/** Rows of a step: shuffled epochs without replacement, the same whenever the step is sent (P8). */
export async function batchOfSft(stage: SftStage, stageStep: number, source: BatchSource): Promise<LearnerBatch> {
  const rows = await source.once(`rows of ${stage.name}`, () => rowsOf(stage, source));
  const sampler = createPromptSampler({ seed: source.seed, stage: stage.name, sequence: 'prompt', size: rows.size });
  return {
    last: stageStep + 1 >= stage.until.steps,
    temperature: 1,
    setReference: false,
    objective: objectiveOf(supervised, stage, { learning_rate: learningRateAt(stage, stageStep, stage.until.steps) }),
    count: stage.batch,
    async *samples() {
      for (let draw = 0; draw < stage.batch; draw++)
        yield { trajectory: await rows.read(sampler.questionAt(stageStep * stage.batch + draw)) };
    },
  };
}

async function rowsOf(stage: SftStage, source: BatchSource): Promise<RowSet> {
  if ('path' in stage.rows) {
    const path = source.file(stage.name, 'rows');
    const file = await openRowFile(path, parseSftRow);
    return { size: file.size, read: async (index) => packRow(await file.read(index), `${stage.name}/${index}`) };
  }
  const { stage: from, best, at_least: least } = stage.rows;
  const chosen: { taskId: string; trajectorySequence: bigint }[] = [];
  let seen = 0;
  for await (const { samples } of source.groupsOf(from)) {
    const present = samples.flatMap((sample) =>
      sample.reward === undefined ? [] : [{ ...sample, reward: sample.reward }],
    );
    seen += present.length;
    const good = present.filter(({ reward }) => reward >= least).toSorted((a, b) => b.reward - a.reward);
    chosen.push(...good.slice(0, best));
  }
  if (chosen.length === 0)
    throw source.nothing(
      `stage ${stage.name}: none of the ${seen} rollouts of stage ${from} has a reward of at least ${least}; lower rows.at_least`,
    );
  return {
    size: chosen.length,
    async read(index) {
      const sample = chosen[index];
      if (sample === undefined) throw new RangeError(`there is no rollout ${index}`);
      return await source.trajectory(sample);
    },
  };
}
