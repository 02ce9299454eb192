import type { RecipeIssue } from '#recipe/check-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';
import { checkPolicyGate } from '../kit/check.ts';
import { checkWarmup } from '../kit/learning-rate.ts';
import { openRowFile } from '../kit/row-file.ts';
import type { StageKind } from '../kit/stage-kind.ts';
import { batchOfDpo } from './batch.ts';
import { checkLengths } from './check-lengths.ts';
import { parsePreferenceRow } from './row.ts';
import { dpoSchema } from './schema.ts';
import type { DpoStage } from './schema.ts';

/** Learning from preferences: each step is one update on the next pairs of a seeded order. */
export const dpo: StageKind<typeof dpoSchema, { readonly step: number }> = {
  kind: 'dpo',
  schema: dpoSchema,
  changesPolicy: true,
  needsLearner: true,
  needsReference: () => true,
  leaves: ['weights'],
  check: checkDpo,
  filesHold: 'rows',
  files: ({ rows }) => ({ rows: rows.path }),
  async checkFiles(_stage, { rows }, { directory }) {
    if (rows !== undefined) await checkLengths(await openRowFile(rows, parsePreferenceRow), directory);
  },
  estimate: ({ until }) => ({ steps: until.steps, groups: 0, groupSize: 0, rollouts: 0, mostRollouts: 0 }),
  maxSkippedSteps: ({ max_skipped_steps: most }) => most,
  next({ until }, view) {
    const done = view.steps.length;
    if (done >= until.steps) return { kind: 'finish', reason: 'steps' };
    return { kind: 'act', action: { step: done } };
  },
  batch: (stage, { stageStep }, source) => batchOfDpo(stage, stageStep, source),
  async run(context, _stage, { step }) {
    await context.trainBatch(step);
    return { kind: 'done' };
  },
};

function checkDpo(stage: DpoStage, recipe: Recipe): RecipeIssue[] {
  const issues = checkWarmup(stage);
  if (stage.loss_type === 'ipo' && stage.label_smoothing > 0)
    issues.push({
      path: ['label_smoothing'],
      message: 'must be 0 with loss_type ipo, whose target is a margin and no probability',
      value: stage.label_smoothing,
    });
  return [...issues, ...checkPolicyGate(stage, recipe)];
}
