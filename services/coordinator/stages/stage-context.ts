import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { headlineOf } from '#recipe/environment-part.ts';
import type { StageRecipe } from '#recipe/schema.ts';
import { stageFile } from '#recipe/resolve-recipe.ts';
import type { StageContext } from '#stages/kit/stage-context.ts';
import { writeAtomically } from '#platform/files/write-atomically.ts';
import { leaveRows, takeArtefact } from './artefacts.ts';
import { exportPolicy, replacePolicy } from '../sessions/replace-policy.ts';
import { runPipeline } from '../training/pipeline.ts';
import { play } from './play.ts';
import { trainBatch } from '../training/train-step.ts';
import { localWeights } from '../run-context.ts';
import type { RunContext } from '../run-context.ts';

/** What a run does for the stage that it is in. */
export function createStageContext(context: RunContext, { name, kind }: StageRecipe): StageContext {
  const folder = join(context.directory, 'stages', name);
  return {
    seed: context.recipe.seed,
    primaryMetric: headlineOf(context.recipe).primaryMetric,
    trainOnRollouts: (stage) => runPipeline(context, stage),
    trainBatch: (stageStep) => trainBatch(context, name, stageStep),
    play: (request) => play(context, request),
    async exportModel(to) {
      const path = join(context.directory, 'exports', to);
      await exportPolicy(context, path);
      return path;
    },
    async replacePolicy(write) {
      let fact: unknown;
      await replacePolicy(
        context,
        async (directory) => {
          fact = await write(directory);
        },
        () => ({ case: 'stageFact', value: { stage: name, kind, json: JSON.stringify(fact), newBranch: true } }),
      );
    },
    policyDirectory: () => localWeights(context, context.ledger.state),
    modelDirectory: context.resolved.paths.model,
    file: (file) => stageFile(context.resolved.paths, name, file),
    signal: context.signal,
    async record(fact) {
      await context.ledger.append({ case: 'stageFact', value: { stage: name, kind, json: JSON.stringify(fact) } });
    },
    leaveRows: (rows) => leaveRows(context, name, [...rows]),
    take: (stage, artefact) => takeArtefact(context, stage, artefact),
    async write(file, parts) {
      const path = join(folder, file);
      // What is read once could not be written again.
      const whole = typeof parts === 'string' ? parts : [...parts];
      await context.confirmLead();
      await context.writeFolder(context.signal, async () => {
        await mkdir(folder, { recursive: true });
        await writeAtomically(path, whole);
      });
      return path;
    },
  };
}
