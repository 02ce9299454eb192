import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { Row } from '#proto/rollout/v1/task_pb.ts';
import { groupIdOf, groupSeedOf, taskIdOf } from '#recipe/task-ids.ts';
import { TerminalError } from '#platform/errors.ts';
import { createTaskBuilder, type TaskInit } from '#recipe/build-task.ts';
import { stageComposition } from '#recipe/stage-scorers.ts';
import { recipeHash } from '#recipe/resolve-recipe.ts';
import { rolloutStages } from '#stages/kit/rollout-stages.ts';
import type { Recipe } from '#recipe/schema.ts';

/** Samples per question, as a group of training has them: they share their prompt. */
const groupSize = 8;

export interface BenchTasks {
  /** What makes the reward of each. */
  readonly composition: Composition;
  /** Task `index` of the bench, from 0. */
  taskAt(index: number): TaskInit & { readonly taskId: string };
}

/** The same tasks for the same recipe, whatever the fleet (P8). */
export function createBenchTasks(recipe: Recipe, runId: string, rows: readonly Row[]): BenchTasks {
  const [stage] = rolloutStages(recipe);
  if (stage === undefined) throw new TerminalError('invalid_argument', 'a bench needs a stage with rollouts');
  const hash = recipeHash(recipe);
  const build = createTaskBuilder(recipe, stage);
  return {
    composition: stageComposition(recipe, stage),
    taskAt(index) {
      const group = Math.floor(index / groupSize);
      const row = rows[group % rows.length];
      if (row === undefined)
        throw new TerminalError('invalid_argument', 'a bench needs rows; name them in data of the recipe');
      const draw = String(group);
      const key = { recipeHash: hash, seed: recipe.seed, stage: stage.name, step: 0, draw, questionId: row.id };
      const sampleIndex = index % groupSize;
      const taskId = taskIdOf(key, sampleIndex);
      const groupId = groupIdOf(key);
      const parts = { runId, taskId, groupId, groupSeed: groupSeedOf(key), sampleIndex, attempt: 0, row };
      return { ...build({ ...parts, purpose: Purpose.TRAIN, mode: 'train' }), taskId };
    },
  };
}
