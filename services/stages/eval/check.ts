import { isDeepStrictEqual } from 'node:util';
import type { RecipeIssue } from '#recipe/check-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';
import { headlineOf, isUnloaded } from '#recipe/environment-part.ts';
import { recordedComponents } from '#recipe/stage-scorers.ts';
import { rewardMetric } from '#rewards/metric-names.ts';
import { checkGate, checkRecorded, checkRollouts } from '../kit/check.ts';
import { successMetrics } from './report.ts';
import { successOf, type EvalStage } from './schema.ts';

export function checkEval(stage: EvalStage, recipe: Recipe): RecipeIssue[] {
  const { group_ms: groupMs, stage_ms: stageMs } = stage.deadlines;
  const deadlines = [
    [['deadlines', 'group_ms'], groupMs],
    [['deadlines', 'stage_ms'], stageMs],
  ] as const;
  const issues = [
    ...checkRollouts(stage, recipe, deadlines, 'group < stage'),
    ...checkGate(stage.gate, recipe, stage, {
      mode: stage.greedy ? 'greedy' : 'sampled',
      metrics: successMetrics(stage),
    }),
  ];
  if (stage.greedy && stage.samples > 1)
    issues.push({
      path: ['samples'],
      message: 'must be 1 with greedy: true: every sample of a row would be the same',
      value: stage.samples,
    });
  for (const [index, k] of (stage.pass_at ?? []).entries())
    if (k > stage.samples)
      issues.push({ path: ['pass_at', index], message: `must be at most samples (${stage.samples})`, value: k });
  if (stage.samples > recipe.fleet.max_open_rollouts)
    issues.push({
      path: ['samples'],
      message: `must be at most fleet.max_open_rollouts (${recipe.fleet.max_open_rollouts})`,
      value: stage.samples,
    });
  const { metric } = successOf(stage, headlineOf(recipe).primaryMetric);
  if (!isUnloaded(recipe))
    issues.push(...checkRecorded(metric, [rewardMetric, ...recordedComponents(recipe, stage)], ['success', 'metric']));
  issues.push(...checkAgainst(stage, recipe));
  if (stage.gate !== undefined && (stage.gate.gain_at_least !== undefined || stage.gate.at_least === undefined))
    issues.push({
      path: ['gate'],
      message: 'needs at_least: a stage that changes nothing has no evaluation before it to gain on',
    });
  if (stage.gate?.on_fail === 'repeat' || stage.gate?.on_fail === 'roll_back')
    issues.push({
      path: ['gate', 'on_fail'],
      message: 'must be continue or stop: the stage changes nothing that could be repeated or rolled back',
      value: stage.gate.on_fail,
    });
  return issues;
}

/** What is paired has to be asked and counted alike; that the stage is an earlier one that left rows is a rule of every kind. */
function checkAgainst(stage: EvalStage, recipe: Recipe): RecipeIssue[] {
  const other = recipe.stages.find(({ name }) => name === stage.against);
  if (other === undefined) return [];
  const issue = (message: string): RecipeIssue[] => [{ path: ['against'], message, value: other.name }];
  if (other.kind !== 'eval') return issue(`must be a stage of kind eval; ${other.name} is of kind ${other.kind}`);
  const { primaryMetric } = headlineOf(recipe);
  if (!isDeepStrictEqual(successOf(stage, primaryMetric), successOf(other, primaryMetric)))
    return issue('must be a stage with the same success; give both the same');
  if (!isDeepStrictEqual(stage.prompts, other.prompts))
    return issue('must be a stage with the same prompts; give both the same');
  return [];
}
