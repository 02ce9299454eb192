import type { RecipeIssue } from '#recipe/check-recipe.ts';
import { checkStageRewards } from '#recipe/check-stage-rewards.ts';
import type { Recipe } from '#recipe/schema.ts';
import { environmentWaits, headlineOf, isUnloaded } from '#recipe/environment-part.ts';
import { recordedComponents } from '#recipe/stage-scorers.ts';
import { rewardMetric, rolloutMetrics } from '#rewards/metric-names.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import { parseGateMetric, type Gate, type RolloutStage } from './fields.ts';
import { nearestRollouts } from './rollout-stages.ts';

/** Rules that several kinds share. Paths begin at the stage. */

/** What a deadline lies within, the innermost first: each must be less than the one after it (P3). */
export type Ladder = readonly (readonly [path: readonly string[], ms: number])[];

/** Of a stage with rollouts. `outer` are the deadlines that its rollouts lie within, with their names for people. */
export function checkRollouts(stage: RolloutStage, recipe: Recipe, outer: Ladder, names: string): RecipeIssue[] {
  const issues = checkStageRewards(recipe, stage);
  const ladder: Ladder = [
    [['limits', 'tool_timeout_ms'], stage.limits.tool_timeout_ms],
    [['limits', 'turn_timeout_ms'], stage.limits.turn_timeout_ms],
    [['limits', 'rollout_timeout_ms'], stage.limits.rollout_timeout_ms],
    ...outer,
  ];
  for (const [index, [path, value]] of ladder.entries()) {
    const next = ladder[index + 1];
    if (next !== undefined && value >= next[1]) {
      issues.push({
        path,
        message: `must be less than ${next[0].join('.')} (${next[1]}): tool < turn < rollout < ${names}`,
        value,
      });
    }
  }
  for (const [wait, value] of Object.entries(environmentWaits(recipe, stage.limits.tool_timeout_ms))) {
    if (value < stage.limits.turn_timeout_ms) continue;
    issues.push({
      path: ['limits', 'turn_timeout_ms'],
      message: `must be more than ${wait} (${value}), which is waited for within a turn`,
      value: stage.limits.turn_timeout_ms,
    });
  }
  if (stage.limits.rollout_timeout_ms >= recipe.eval.deadline_ms) {
    issues.push({
      path: ['limits', 'rollout_timeout_ms'],
      message: `must be less than eval.deadline_ms (${recipe.eval.deadline_ms}): an evaluation waits for its rollouts`,
      value: stage.limits.rollout_timeout_ms,
    });
  }
  if (stage.limits.max_new_tokens >= stage.limits.context_tokens) {
    issues.push({
      path: ['limits', 'max_new_tokens'],
      message: `must be less than limits.context_tokens (${stage.limits.context_tokens})`,
      value: stage.limits.max_new_tokens,
    });
  }
  if (stage.limits.context_tokens > recipe.fleet.engine.max_context) {
    issues.push({
      path: ['limits', 'context_tokens'],
      message: `must be at most fleet.engine.max_context (${recipe.fleet.engine.max_context})`,
      value: stage.limits.context_tokens,
    });
  }
  return issues;
}

/** What a kind that evaluates by itself records, in place of the held-out evaluation of the recipe. */
export interface OwnEvaluation {
  readonly mode: 'sampled' | 'greedy';
  /** Metrics over all rows, beyond the means. */
  readonly metrics: readonly string[];
}

/** `stage`: with whose limits and scorers the policy is evaluated after the stage of the gate. */
export function checkGate(
  gate: Gate | undefined,
  recipe: Recipe,
  stage: RolloutStage,
  own?: OwnEvaluation,
): RecipeIssue[] {
  if (gate === undefined) return [];
  const issues: RecipeIssue[] = [];
  if ((gate.at_least === undefined) === (gate.gain_at_least === undefined)) {
    issues.push({ path: ['gate'], message: 'needs exactly one of at_least and gain_at_least' });
  }
  const refuse = (message: string): void => {
    issues.push({ path: ['gate', 'metric'], message, value: gate.metric });
  };
  const { mode, tag, name } = parseGateMetric(gate.metric);
  if (own === undefined && !recipe.eval[mode]) refuse(`needs eval.${mode} to be true`);
  if (own !== undefined && mode !== own.mode) refuse(`must begin with ${own.mode}, as the stage draws`);
  // What a file of its own declares was checked where the file is.
  if (isUnloaded(recipe)) return issues;
  const { primaryMetric, tags } = headlineOf(recipe);
  if (tag !== undefined && !tags.includes(tag)) {
    const meant = suggest(tag, tags);
    const declared = tags.length === 0 ? 'none' : tags.join(', ');
    refuse(
      `environment ${recipe.environment.name} splits its metrics by no tag '${tag}'; ${meant === undefined ? `its tags: ${declared}` : `did you mean ${meant}?`}`,
    );
  }
  const withInterval = [primaryMetric, ...(tag === undefined ? (own?.metrics ?? []) : [])];
  const known = [
    ...new Set([...recordedComponents(recipe, stage), rewardMetric, ...withInterval]),
    ...withInterval.flatMap((metric) => [`${metric}.low`, `${metric}.high`]),
    ...rolloutMetrics,
  ];
  if (!known.includes(name) && !name.startsWith('environment.')) {
    const meant = suggest(name, known);
    const help = meant === undefined ? `they have ${known.join(', ')}: for example ${mode}.${primaryMetric}` : '';
    refuse(`'${name}' is not a metric of this stage's evaluations; ${help || `did you mean ${meant}?`}`);
  }
  return issues;
}

/** Of a stage without rollouts of its own, which is evaluated as the nearest stage that has some. */
export function checkPolicyGate(
  { name, gate }: { readonly name: string; readonly gate?: Gate | undefined },
  recipe: Recipe,
): RecipeIssue[] {
  if (gate === undefined) return [];
  const settings = nearestRollouts(
    recipe,
    recipe.stages.findIndex((stage) => stage.name === name),
  );
  if (settings !== undefined) return checkGate(gate, recipe, settings);
  return [{ path: ['gate'], message: 'needs a stage with limits and rewards to evaluate the policy with' }];
}

/** `metric` is one of `names`; else what was meant, or what there is. */
export function checkRecorded(metric: string, names: readonly string[], path: readonly string[]): RecipeIssue[] {
  if (names.includes(metric)) return [];
  const meant = suggest(metric, names);
  const help = meant === undefined ? `recorded: ${names.join(', ')}` : `did you mean ${meant}?`;
  const message = `is nothing that this stage records of a rollout; name it in rewards, weight 0 records it; ${help}`;
  return [{ path, message, value: metric }];
}
