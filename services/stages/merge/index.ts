import type { RecipeIssue } from '#recipe/check-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';
import { checkPolicyGate } from '../kit/check.ts';
import type { StageKind } from '../kit/stage-kind.ts';
import { checkMergeFiles } from './check-files.ts';
import { mergeModels } from './merge-models.ts';
import { modelFileOf } from './outline.ts';
import { mergeSchema } from './schema.ts';
import type { MergeStage } from './schema.ts';

/** Weight averaging (model soups, arXiv 2203.05482): the policy becomes the weighted mean of models of one shape. */
export const merge: StageKind<typeof mergeSchema, undefined> = {
  kind: 'merge',
  schema: mergeSchema,
  changesPolicy: true,
  needsLearner: false,
  leaves: ['weights'],
  uses: ({ models }) =>
    models.flatMap((model, index) =>
      model.stage !== undefined
        ? [{ path: ['models', index, 'stage'], stage: model.stage, artefact: 'weights' as const }]
        : [],
    ),
  filesHold: 'weights',
  files: ({ models }) =>
    Object.fromEntries(
      models.flatMap((model, index) => (model.path !== undefined ? [[modelFileOf(index), model.path]] : [])),
    ),
  check: checkMerge,
  checkFiles: checkMergeFiles,
  estimate: () => ({ steps: 0, groups: 0, groupSize: 0, rollouts: 0, mostRollouts: 0 }),
  fold: (_progress, fact) => fact,
  next: (_stage, view) =>
    view.progress === undefined ? { kind: 'act', action: undefined } : { kind: 'finish', reason: 'merged' },
  async run(context, stage) {
    await context.replacePolicy((directory) => mergeModels(context, stage, directory));
    return { kind: 'done' };
  },
};

function checkMerge(stage: MergeStage, recipe: Recipe): RecipeIssue[] {
  const issues: RecipeIssue[] = [];
  const weights = stage.models.map(({ weight }) => weight);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  // What is left of rounding would blow the difference of the models up.
  if (Math.abs(total) < 1e-6 * Math.max(...weights.map(Math.abs)))
    issues.push({
      path: ['models'],
      message: 'have weights that add up to 0: a mean divides by their sum',
      value: weights,
    });
  if (recipe.fleet.engine.kind === 'scripted')
    issues.push({
      path: ['kind'],
      message: 'needs another fleet.engine.kind than scripted; a script has no weights',
      value: 'merge',
    });
  if (stage.gate?.on_fail === 'repeat')
    issues.push({
      path: ['gate', 'on_fail'],
      message: 'must be continue, stop or roll_back: the same models have the same mean again',
      value: 'repeat',
    });
  return [...issues, ...checkPolicyGate(stage, recipe)];
}
