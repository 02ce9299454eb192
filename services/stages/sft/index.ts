import type { RecipeIssue } from '#recipe/check-recipe.ts';
import { environmentRoles } from '#recipe/environment-part.ts';
import type { Recipe } from '#recipe/schema.ts';
import { checkPolicyGate } from '../kit/check.ts';
import { checkWarmup } from '../kit/learning-rate.ts';
import type { StageKind } from '../kit/stage-kind.ts';
import { batchOfSft } from './batch.ts';
import { openRowFile } from '../kit/row-file.ts';
import { parseSftRow } from './row.ts';
import { sftSchema } from './schema.ts';
import type { SftStage } from './schema.ts';

/** Supervised learning: each step is one update on the next rows of a seeded order. */
export const sft: StageKind<typeof sftSchema, { readonly step: number }> = {
  kind: 'sft',
  schema: sftSchema,
  changesPolicy: true,
  needsLearner: true,
  leaves: ['weights'],
  uses: ({ rows }) => ('stage' in rows ? [{ path: ['rows', 'stage'], stage: rows.stage, artefact: 'rollouts' }] : []),
  check: checkSft,
  filesHold: 'rows',
  files: ({ rows }) => ('path' in rows ? { rows: rows.path } : {}),
  checkFiles: async (_stage, { rows }) => void (rows !== undefined && (await openRowFile(rows, parseSftRow))),
  estimate: ({ until }) => ({ steps: until.steps, groups: 0, groupSize: 0, rollouts: 0, mostRollouts: 0 }),
  maxSkippedSteps: ({ max_skipped_steps: most }) => most,
  next({ until }, view) {
    const done = view.steps.length;
    if (done >= until.steps) return { kind: 'finish', reason: 'steps' };
    return { kind: 'act', action: { step: done } };
  },
  batch: (stage, { stageStep }, source) => batchOfSft(stage, stageStep, source),
  async run(context, _stage, { step }) {
    await context.trainBatch(step);
    return { kind: 'done' };
  },
};

function checkSft(stage: SftStage, recipe: Recipe): RecipeIssue[] {
  const issues = checkWarmup(stage);
  const roles = environmentRoles(recipe);
  if ('stage' in stage.rows && roles.length > 0)
    issues.push({
      path: ['rows', 'stage'],
      message: `names rollouts of environment ${recipe.environment.name}, which has roles (${roles.join(', ')}); learning from those is not supported, give rows of a file`,
      value: stage.rows.stage,
    });
  return [...issues, ...checkPolicyGate(stage, recipe)];
}
