import Table from 'cli-table3';
import type { Recipe, StageRecipe } from '#shared/recipe/schema.ts';
import { rewardWeights } from '#shared/rewards/reward-list.ts';
import { evaluationKey } from '#shared/recipe/stage-scorers.ts';
import { unsupportedParts } from '#shared/recipe/unsupported-parts.ts';
import { describeComposition, describeScorers } from './scoring-plan.ts';

/** What a recipe will do, counted before anything is started. */
export interface RunPlan {
  readonly recipe: string;
  readonly seed: number;
  readonly stages: readonly StagePlan[];
  /** Scorers that the recipe declares, in words. */
  readonly scorers: readonly string[];
  readonly evaluations: { readonly count: number; readonly rollouts: number };
  /** Training and evaluation rollouts, without what dynamic sampling may add. */
  readonly rollouts: number;
  /** With every batch filled at the last attempt that dynamic sampling allows. */
  readonly mostRollouts: number;
  /** `mostRollouts` at their full context: an upper bound. */
  readonly mostTokens: number;
  /** Parts of the recipe that this version cannot run, and inputs that are missing. */
  readonly notes: readonly string[];
}

export interface StagePlan {
  readonly name: string;
  readonly kind: string;
  readonly steps: number;
  readonly groups: number;
  readonly groupSize: number;
  readonly rollouts: number;
  readonly contextTokens: number;
  readonly maxTurns: number;
  readonly rewards: Readonly<Record<string, number>>;
  /** What becomes of the weighted sum, in words; undefined where it is the reward. */
  readonly composition: string | undefined;
  readonly gate: string | undefined;
}

export function planRun(recipe: Recipe, notes: readonly string[]): RunPlan {
  const stages = recipe.stages.map((stage): StagePlan => ({
    name: stage.name,
    kind: stage.kind,
    steps: stage.until.steps,
    groups: stage.batch.groups,
    groupSize: stage.batch.group_size,
    rollouts: stage.until.steps * stage.batch.groups * stage.batch.group_size,
    contextTokens: stage.limits.context_tokens,
    maxTurns: stage.limits.max_turns,
    rewards: Object.fromEntries(Object.entries(rewardWeights(stage.rewards)).filter(([, weight]) => weight > 0)),
    composition: describeComposition(stage),
    gate: stage.gate === undefined ? undefined : describeGate(stage.gate),
  }));
  const evaluationContexts = evaluationsOf(recipe);
  const perEvaluation = recipe.eval.questions * (Number(recipe.eval.sampled) + Number(recipe.eval.greedy));
  const evaluationRollouts = evaluationContexts.length * perEvaluation;
  const evaluationTokens = evaluationContexts.reduce((sum, context) => sum + context * perEvaluation, 0);
  const rollouts = stages.reduce((sum, stage) => sum + stage.rollouts, 0);
  const most = recipe.stages.map((stage, index) => {
    const times = stage.algorithm.dynamic_sampling ? stage.batch.max_generation_batches : 1;
    return { rollouts: (stages[index]?.rollouts ?? 0) * times, context: stage.limits.context_tokens };
  });
  return {
    recipe: recipe.name,
    seed: recipe.seed,
    stages,
    scorers: describeScorers(recipe),
    evaluations: { count: evaluationContexts.length, rollouts: evaluationRollouts },
    rollouts: rollouts + evaluationRollouts,
    mostRollouts: most.reduce((sum, stage) => sum + stage.rollouts, evaluationRollouts),
    mostTokens: most.reduce((sum, stage) => sum + stage.rollouts * stage.context, evaluationTokens),
    notes: [...unsupportedParts(recipe), ...notes],
  };
}

/**
 * Context limits of the held-out evaluations: before the first stage, after each one, before a stage whose limits or scorers
 * differ from those of the one before it, the untrained policy at the last stage's limits, and every `every_steps`.
 */
function evaluationsOf(recipe: Recipe): number[] {
  const same = (a: StageRecipe, b: StageRecipe) => evaluationKey(recipe, a) === evaluationKey(recipe, b);
  const contexts: number[] = [];
  const first = recipe.stages[0];
  const last = recipe.stages.at(-1);
  let previous: StageRecipe | undefined;
  for (const stage of recipe.stages) {
    const { context_tokens: context } = stage.limits;
    if (previous === undefined || !same(previous, stage)) contexts.push(context);
    const within = recipe.eval.every_steps === 0 ? 0 : Math.floor((stage.until.steps - 1) / recipe.eval.every_steps);
    for (let index = 0; index < Math.max(0, within) + 1; index += 1) contexts.push(context);
    previous = stage;
  }
  if (first !== undefined && last !== undefined && !same(first, last)) contexts.push(last.limits.context_tokens);
  return contexts;
}

function describeGate(gate: NonNullable<Recipe['stages'][number]['gate']>): string {
  const condition = gate.at_least === undefined ? `gains ${gate.gain_at_least ?? 0}` : `>= ${gate.at_least}`;
  return `${gate.metric} ${condition}, else ${gate.on_fail}`;
}

export function formatPlan(plan: RunPlan): string {
  const table = new Table({
    head: ['stage', 'kind', 'steps', 'groups x samples', 'rollouts', 'context', 'turns', 'rewards'],
    style: { head: [], border: [] },
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'left'],
  });
  for (const stage of plan.stages) {
    table.push([
      stage.name,
      stage.kind,
      count(stage.steps),
      `${stage.groups} x ${stage.groupSize}`,
      count(stage.rollouts),
      count(stage.contextTokens),
      count(stage.maxTurns),
      Object.entries(stage.rewards)
        .map(([name, weight]) => `${name} ${weight}`)
        .join(', '),
    ]);
  }
  const compositions = plan.stages.flatMap(({ name, composition }) =>
    composition === undefined ? [] : [`reward of ${name}: ${composition}`],
  );
  const gates = plan.stages.flatMap(({ name, gate }) => (gate === undefined ? [] : [`gate of ${name}: ${gate}`]));
  return [
    `${plan.recipe}, seed ${plan.seed}: ${plan.stages.length} stage${plan.stages.length === 1 ? '' : 's'}`,
    table.toString(),
    ...plan.scorers.map((scorer) => `scorer ${scorer}`),
    ...compositions,
    ...gates,
    `evaluations: ${plan.evaluations.count}, ${count(plan.evaluations.rollouts)} rollouts in all`,
    `rollouts: ${count(plan.rollouts)}, at most ${count(plan.mostRollouts)} with dynamic sampling; at most ${count(plan.mostTokens)} tokens`,
    ...plan.notes.map((note) => `note: ${note}`),
  ].join('\n');
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
