import { formats } from '../questions/row-formats.ts';
import { rewardList } from '../rewards/reward-list.ts';
import { isSettableScorer } from '../rewards/scorer-catalogue.ts';
import { checkDeclaredScorers } from './check-declared-scorers.ts';
import { checkStageRewards } from './check-stage-rewards.ts';
import type { Recipe, StageRecipe } from './schema.ts';
import { groupwiseScorers } from './stage-scorers.ts';

/** A rule that the recipe breaks: where, the value there, and what to do. */
export interface RecipeIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly value?: unknown;
}

/** Rules between fields. The schema has already checked each field alone. */
export function checkRecipe(recipe: Recipe): RecipeIssue[] {
  const issues = checkDeclaredScorers(recipe);
  const sources = Object.entries(recipe.data).filter(([, value]) => value !== undefined);
  if (sources.length !== 1) {
    const found = sources.length === 0 ? 'none is there' : `${sources.map(([key]) => key).join(' and ')} are there`;
    issues.push({ path: ['data'], message: `needs exactly one of world, musique, files, rows; ${found}` });
  }
  const { rows } = recipe.data;
  if (rows !== undefined && rows.corpus === undefined && !formats[rows.format].hasParagraphs) {
    const message = `is missing; rows of format ${rows.format} bring no paragraphs, so name the corpus to search`;
    issues.push({ path: ['data', 'rows', 'corpus'], message });
  }
  if (!recipe.eval.sampled && !recipe.eval.greedy) {
    issues.push({ path: ['eval'], message: 'needs sampled or greedy (or both) to be true' });
  }
  if (recipe.retrieval.method === 'dense' && recipe.retrieval.encoder === undefined) {
    issues.push({ path: ['retrieval', 'encoder'], message: 'is needed when method is dense' });
  }
  if (recipe.fleet.learner.kind === 'scripted' && recipe.fleet.engine.kind !== 'scripted') {
    issues.push({
      path: ['fleet', 'learner', 'kind'],
      message: 'needs fleet.engine.kind: scripted; a model cannot load weights that nobody trained',
      value: recipe.fleet.learner.kind,
    });
  }
  const names = new Map<string, number>();
  for (const [index, stage] of recipe.stages.entries()) {
    const first = names.get(stage.name);
    if (first !== undefined) {
      issues.push({
        path: ['stages', index, 'name'],
        message: `is already the name of stages[${first}]`,
        value: stage.name,
      });
    }
    names.set(stage.name, index);
    for (const issue of checkStage(recipe, stage)) {
      issues.push({ ...issue, path: ['stages', index, ...issue.path] });
    }
  }
  return issues;
}

function checkStage(recipe: Recipe, stage: StageRecipe): RecipeIssue[] {
  const issues = checkStageRewards(recipe, stage);
  const ladder: readonly (readonly [readonly string[], number])[] = [
    [['limits', 'tool_timeout_ms'], stage.limits.tool_timeout_ms],
    [['limits', 'turn_timeout_ms'], stage.limits.turn_timeout_ms],
    [['limits', 'rollout_timeout_ms'], stage.limits.rollout_timeout_ms],
    [['deadlines', 'group_ms'], stage.deadlines.group_ms],
    [['deadlines', 'step_ms'], stage.deadlines.step_ms],
  ];
  for (const [index, [path, value]] of ladder.entries()) {
    const outer = ladder[index + 1];
    if (outer !== undefined && value >= outer[1]) {
      issues.push({
        path,
        message: `must be less than ${outer[0].join('.')} (${outer[1]}): tool < turn < rollout < group < step`,
        value,
      });
    }
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
  if (stage.groups.min_group > stage.batch.group_size) {
    issues.push({
      path: ['groups', 'min_group'],
      message: `must be at most batch.group_size (${stage.batch.group_size})`,
      value: stage.groups.min_group,
    });
  }
  if (stage.batch.group_size > recipe.fleet.max_open_rollouts) {
    issues.push({
      path: ['batch', 'group_size'],
      message: `must be at most fleet.max_open_rollouts (${recipe.fleet.max_open_rollouts})`,
      value: stage.batch.group_size,
    });
  }
  if (stage.algorithm.dynamic_sampling && stage.batch.group_size < 2) {
    issues.push({
      path: ['batch', 'group_size'],
      message: 'must be at least 2 with dynamic sampling: one reward cannot vary',
      value: stage.batch.group_size,
    });
  }
  if (stage.algorithm.dual_clip !== 0 && stage.algorithm.dual_clip <= 1) {
    issues.push({
      path: ['algorithm', 'dual_clip'],
      message: 'must be > 1, or 0 for off',
      value: stage.algorithm.dual_clip,
    });
  }
  const { overlong } = stage.algorithm;
  if (overlong !== undefined && overlong.buffer_tokens > (overlong.max_tokens ?? stage.limits.context_tokens)) {
    issues.push({
      path: ['algorithm', 'overlong', 'buffer_tokens'],
      message: `must be at most max_tokens (${overlong.max_tokens ?? stage.limits.context_tokens})`,
      value: overlong.buffer_tokens,
    });
  }
  const { gate } = stage;
  if (gate !== undefined) {
    if ((gate.at_least === undefined) === (gate.gain_at_least === undefined)) {
      issues.push({ path: ['gate'], message: 'needs exactly one of at_least and gain_at_least' });
    }
    const mode = gate.metric.split('.')[0];
    const known = gateMetrics(recipe, stage);
    if (!known.includes(gate.metric.split('.').at(-1) ?? '')) {
      issues.push({
        path: ['gate', 'metric'],
        message: `is no metric of this stage's evaluations; they have ${known.join(', ')}: for example sampled.em`,
        value: gate.metric,
      });
    }
    if ((mode === 'sampled' && !recipe.eval.sampled) || (mode === 'greedy' && !recipe.eval.greedy)) {
      issues.push({ path: ['gate', 'metric'], message: `needs eval.${mode} to be true`, value: gate.metric });
    }
  }
  return issues;
}

/** What an evaluation of the stage has a mean of; groupwise scorers need groups, which evaluations do not have. */
function gateMetrics(recipe: Recipe, stage: StageRecipe): string[] {
  const groupwise = new Set(groupwiseScorers(recipe, stage).map(({ name }) => name));
  const named = rewardList(stage.rewards).flatMap(({ name }) => {
    const declared = Object.hasOwn(recipe.scorers ?? {}, name);
    return (declared && !groupwise.has(name)) || isSettableScorer(name) ? [name] : [];
  });
  return ['em', 'f1', 'tool_success', 'format_ok', 'reward', ...named];
}
