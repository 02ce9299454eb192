import { environmentRoles } from '#recipe/environment-part.ts';
import type { RowCounts } from '#stages/kit/stage-kind.ts';
import type { Recipe } from '#recipe/schema.ts';
import type { Gate, RolloutStage } from '#stages/kit/fields.ts';
import { kindOf } from '#stages/kit/kinds.ts';
import { plannedEvaluations } from '#stages/kit/planned-evaluations.ts';
import { gateOf, hasRollouts } from '#stages/kit/rollout-stages.ts';
import { rewardWeights } from '#rewards/reward-list.ts';
import { describeComposition, describeScorers } from './scoring-plan.ts';
import { formatMemory } from './memory-lines.ts';
import type { MemoryPlan } from './memory-plan.ts';
import { tableLines } from '../terminal/format.ts';

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
  /** `mostRollouts` at their full context, of every role: an upper bound. */
  readonly mostTokens: number;
  /** What learner and engines need of devices; undefined where the model is not there, or both are of others. */
  readonly memory: MemoryPlan | undefined;
  /** Inputs that are not there yet, and what else is worth a line. */
  readonly notes: readonly string[];
  /** What keeps the recipe from running as it is; the command's exit code is not 0 then. */
  readonly problems: readonly string[];
}

/** What is known of a recipe's inputs; `rows` where they were counted. */
export interface PlanInputs {
  readonly notes?: readonly string[];
  readonly problems?: readonly string[];
  readonly rows?: RowCounts | undefined;
  readonly memory?: MemoryPlan | undefined;
}

export interface StagePlan {
  readonly name: string;
  readonly kind: string;
  readonly steps: number;
  readonly groups: number;
  readonly groupSize: number;
  readonly rollouts: number;
  readonly mostRollouts: number;
  readonly contextTokens: number;
  readonly maxTurns: number;
  readonly rewards: Readonly<Record<string, number>>;
  /** What becomes of the weighted sum, in words; undefined where it is the reward. */
  readonly composition: string | undefined;
  /** What is trained, and rewarded by what, in words; undefined where the environment has no roles. */
  readonly roles: string | undefined;
  readonly gate: string | undefined;
}

export function planRun(recipe: Recipe, { notes = [], problems = [], rows, memory }: PlanInputs = {}): RunPlan {
  const stages = recipe.stages.map((stage): StagePlan => {
    const own = hasRollouts(stage) ? stage : undefined;
    const gate = gateOf(stage);
    return {
      name: stage.name,
      kind: stage.kind,
      ...kindOf(stage).estimate(stage, recipe, rows),
      contextTokens: own?.limits.context_tokens ?? 0,
      maxTurns: own?.limits.max_turns ?? 0,
      rewards: Object.fromEntries(
        Object.entries(own === undefined ? {} : rewardWeights(own.rewards)).filter(([, weight]) => weight > 0),
      ),
      composition: own && describeComposition(own),
      roles: own && describeRoles(recipe, own),
      gate: gate && describeGate(gate),
    };
  });
  const evaluationContexts = plannedEvaluations(recipe).map(({ settings }) => settings.limits.context_tokens);
  const questions = Math.min(recipe.eval.questions, rows?.heldOut ?? Infinity);
  const perEvaluation = questions * (Number(recipe.eval.sampled) + Number(recipe.eval.greedy));
  const evaluationRollouts = evaluationContexts.length * perEvaluation;
  const evaluationTokens = evaluationContexts.reduce((sum, context) => sum + context * perEvaluation, 0);
  const rollouts = stages.reduce((sum, stage) => sum + stage.rollouts, 0);
  return {
    recipe: recipe.name,
    seed: recipe.seed,
    stages,
    scorers: describeScorers(recipe),
    evaluations: { count: evaluationContexts.length, rollouts: evaluationRollouts },
    rollouts: rollouts + evaluationRollouts,
    mostRollouts: stages.reduce((sum, stage) => sum + stage.mostRollouts, evaluationRollouts),
    mostTokens:
      Math.max(1, environmentRoles(recipe).length) *
      stages.reduce((sum, stage) => sum + stage.mostRollouts * stage.contextTokens, evaluationTokens),
    memory,
    notes,
    problems,
  };
}

function describeRoles(recipe: Recipe, { roles = {} }: RolloutStage): string | undefined {
  const parts = environmentRoles(recipe).map((name) => {
    const { train = true, rewards } = roles[name] ?? {};
    if (!train) return `${name} (not trained)`;
    const weights = Object.entries(rewards ?? {}).filter(([, weight]) => weight > 0);
    return `${name} (${weights.length === 0 ? 'rewards of the stage' : weights.map((each) => each.join(' ')).join(', ')})`;
  });
  return parts.length === 0 ? undefined : parts.join(', ');
}

function describeGate(gate: Gate): string {
  const condition = gate.at_least === undefined ? `gains ${gate.gain_at_least ?? 0}` : `>= ${gate.at_least}`;
  return `${gate.metric} ${condition}, else ${gate.on_fail}`;
}

export function formatPlan(plan: RunPlan): string[] {
  const rows = plan.stages.map((stage) => [
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
  const compositions = plan.stages.flatMap(({ name, composition }) =>
    composition === undefined ? [] : [`reward of ${name}: ${composition}`],
  );
  const roles = plan.stages.flatMap(({ name, roles: of }) => (of === undefined ? [] : [`roles of ${name}: ${of}`]));
  const gates = plan.stages.flatMap(({ name, gate }) => (gate === undefined ? [] : [`gate of ${name}: ${gate}`]));
  return [
    `${plan.recipe}, seed ${plan.seed}: ${plan.stages.length} stage${plan.stages.length === 1 ? '' : 's'}`,
    ...tableLines(rows, {
      head: ['stage', 'kind', 'steps', 'groups x samples', 'rollouts', 'context', 'turns', 'rewards'],
      align: ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'left'],
    }),
    ...plan.scorers.map((scorer) => `scorer ${scorer}`),
    ...compositions,
    ...roles,
    ...gates,
    `evaluations: ${plan.evaluations.count}, ${count(plan.evaluations.rollouts)} rollouts in all`,
    `rollouts: ${count(plan.rollouts)}, at most ${count(plan.mostRollouts)} with dynamic sampling; at most ${count(plan.mostTokens)} tokens`,
    ...(plan.memory === undefined ? [] : formatMemory(plan.memory)),
    ...plan.notes.map((note) => `note: ${note}`),
    ...plan.problems.map((problem) => `problem: ${problem}`),
  ];
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
