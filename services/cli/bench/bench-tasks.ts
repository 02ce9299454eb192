import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { Question } from '#proto/rollout/v1/task_pb.ts';
import { groupIdOf, taskIdOf } from '#shared/domain/task-ids.ts';
import { TerminalError } from '#shared/errors.ts';
import { buildTask, type TaskInit } from '#shared/recipe/build-task.ts';
import { recipeHash } from '#shared/recipe/resolve-recipe.ts';
import type { Recipe } from '#shared/recipe/schema.ts';

/** Samples per question, as a group of training has them: they share their prompt. */
const groupSize = 8;

/** Task `index` of a bench, from 0: the same for the same recipe, whatever the fleet (P8). */
export function createBenchTasks(recipe: Recipe, runId: string, questions: readonly Question[]) {
  const [stage] = recipe.stages;
  const hash = recipeHash(recipe);
  return (index: number): TaskInit & { readonly taskId: string } => {
    const group = Math.floor(index / groupSize);
    const question = questions[group % questions.length];
    if (stage === undefined || question === undefined)
      throw new TerminalError('invalid_argument', 'a bench needs a stage and questions');
    const draw = String(group);
    const key = { recipeHash: hash, seed: recipe.seed, stage: stage.name, step: 0, draw, questionId: question.id };
    const sampleIndex = index % groupSize;
    const taskId = taskIdOf(key, sampleIndex);
    const groupId = groupIdOf(key);
    const parts = { runId, taskId, groupId, sampleIndex, attempt: 0, question, stage };
    return { ...buildTask(recipe, { ...parts, purpose: Purpose.TRAIN, mode: 'train' }), taskId };
  };
}
