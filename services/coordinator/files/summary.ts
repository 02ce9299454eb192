import { coreScorers } from '#shared/rewards/scorer-catalogue.ts';
import { rewardWeights } from '#shared/rewards/reward-list.ts';
import type { ResolvedRecipe } from '#shared/recipe/resolve-recipe.ts';
import type { StageRecipe } from '#shared/recipe/schema.ts';
import type { RolloutTotals } from '../ledger/accounting.ts';
import type { Evaluation, RunState, StageState } from '../ledger/run-state.ts';
import { versionOf } from '../ledger/run-state.ts';
import { allDivergences, describeDivergence } from '../reward-hacking/reward-divergence.ts';
import { detectorShares } from '../reward-hacking/stage-detectors.ts';

/** Held-out results at temperature 1 (greedy if nothing else was asked for), as shares 0..1. */
export interface EvalSummary {
  readonly em: number;
  readonly f1: number;
  readonly toolSuccess: number;
  readonly formatOk: number;
  readonly n: number;
}

export interface DetailedEval extends EvalSummary {
  /** 95 % Wilson interval of em. */
  readonly emLow: number;
  readonly emHigh: number;
  readonly reward: number;
  readonly turns: number;
  readonly truncated: number;
  /** Rollouts that infrastructure failed; they are not in n. */
  readonly absent: number;
  /** Means of what the stage scores beside the columns above. */
  readonly components: Readonly<Record<string, number>>;
  /** By number of facts to join. */
  readonly byHop: Readonly<Record<string, EvalSummary>>;
}

export interface EvalDetail {
  readonly version: number;
  readonly sampled?: DetailedEval;
  readonly greedy?: DetailedEval;
}

/** summary.json. The first eight keys are its contract; the others are extras. */
export interface RunSummary {
  readonly run: string;
  readonly recipe: string;
  readonly seed: number;
  /** `scripted`: no model played, so nothing here is a result. */
  readonly policy: 'builtin' | 'scripted';
  /** Judges that judged by rule, with what they knew of the answers. */
  readonly scriptedJudges: readonly string[];
  readonly wallSeconds: number;
  readonly stages: readonly StageSummary[];
  readonly rollouts: RolloutTotals;
  readonly state: string;
  readonly message: string;
  readonly recipePath: string;
  readonly recipeHash: string;
  readonly directory: string;
  readonly steps: number;
  readonly version: number;
  readonly weights: string;
  readonly updatedAt: string;
  /** The untrained policy at the limits of the last stage. */
  readonly baseline: (EvalSummary & { readonly detail: EvalDetail }) | null;
  /** The policy after the last stage that was evaluated. */
  readonly final: (EvalSummary & { readonly stage: string; readonly detail: EvalDetail }) | null;
}

export interface StageSummary {
  readonly name: string;
  readonly kind: string;
  readonly steps: number;
  readonly rollouts: number;
  readonly groups: number;
  /** Mean reward of each step. */
  readonly reward: readonly number[];
  /** Mean of exact match and of each scorer that the stage names, in each step; null where a step has none. */
  readonly components: Readonly<Record<string, readonly (number | null)[]>>;
  /** Share of its rollouts in which each detector of reward hacking fired; those that never did are left out. */
  readonly detectors: Readonly<Record<string, number>>;
  /** For people: where the training reward rose while a held-out or declared metric fell, at any time of the stage. */
  readonly warnings: readonly string[];
  readonly eval: { readonly before: EvalSummary | null; readonly after: EvalSummary | null };
  readonly round: number;
  readonly rewardWeights: Readonly<Record<string, number>>;
  readonly contextTokens: number;
  readonly finished: string | null;
  readonly gate: { readonly passed: boolean; readonly action: string; readonly reason: string } | null;
  readonly seconds: number;
  readonly evalDetail: Readonly<Record<string, EvalDetail>>;
}

export function buildSummary(resolved: ResolvedRecipe, state: RunState, rollouts: RolloutTotals): RunSummary {
  const last = state.stages.findLast((stage) => stage.evaluations.some((evaluation) => evaluation.name === 'after'));
  const namesOf = (stage: StageRecipe | undefined) => (stage === undefined ? [] : namedScorers(stage));
  const after = last?.evaluations.find((evaluation) => evaluation.name === 'after');
  const final = shortEval(after);
  const baseline = shortEval(state.baseline);
  return {
    run: state.runId,
    recipe: resolved.recipe.name,
    seed: state.seed,
    policy: resolved.recipe.fleet.engine.kind,
    scriptedJudges: Object.keys(resolved.recipe.fleet.scripted_judges),
    wallSeconds: Math.round(state.activeMs / 10) / 100,
    stages: state.stages.map((stage) => stageSummary(resolved, stage)),
    rollouts,
    state: state.life,
    message: state.message,
    recipePath: resolved.recipe_path,
    recipeHash: state.recipeHash,
    directory: state.directory,
    steps: state.step,
    version: versionOf(state),
    weights: state.weightsPath === '' ? resolved.paths.model : state.weightsPath,
    updatedAt: new Date(state.lastAtMs).toISOString(),
    baseline:
      baseline === null || state.baseline === undefined
        ? null
        : { ...baseline, detail: evalDetail(state.baseline, namesOf(resolved.recipe.stages.at(-1))) },
    final:
      final === null || after === undefined || last === undefined
        ? null
        : { ...final, stage: last.name, detail: evalDetail(after, namesOf(resolved.recipe.stages[last.index])) },
  };
}

function stageSummary(resolved: ResolvedRecipe, stage: StageState): StageSummary {
  const recipe = resolved.recipe.stages[stage.index];
  const sum = (metric: string) => stage.steps.reduce((total, step) => total + (step.metrics[metric] ?? 0), 0);
  const named = (name: string) => stage.evaluations.find((evaluation) => evaluation.name === name);
  const scorers = recipe === undefined ? [] : namedScorers(recipe);
  return {
    name: stage.name,
    kind: recipe?.kind ?? 'rl',
    steps: stage.steps.length,
    rollouts: sum('rollouts/published'),
    groups: sum('groups/opened'),
    reward: stage.steps.map((step) => step.metrics['reward/mean'] ?? 0),
    components: Object.fromEntries(
      ['exact_match', ...scorers].map((name) => [
        name,
        stage.steps.map((step) => step.metrics[`reward/${name}`] ?? null),
      ]),
    ),
    detectors: { ...detectorShares(stage) },
    warnings: allDivergences(stage).map(describeDivergence),
    eval: { before: shortEval(named('before')), after: shortEval(named('after')) },
    round: stage.round,
    rewardWeights: recipe === undefined ? {} : rewardWeights(recipe.rewards),
    contextTokens: recipe?.limits.context_tokens ?? 0,
    finished: stage.finished?.reason ?? null,
    gate: stage.gate ?? null,
    seconds: Math.round(sum('time/step') * 100) / 100,
    evalDetail: Object.fromEntries(
      stage.evaluations.map((evaluation) => [evaluation.name, evalDetail(evaluation, scorers)]),
    ),
  };
}

/** With a weight, or named although their weight is 0: those are recorded. */
function namedScorers({ rewards }: Pick<StageRecipe, 'rewards'>): string[] {
  return Object.entries(rewardWeights(rewards)).flatMap(([name, weight]) =>
    name !== 'exact_match' && (weight > 0 || !coreScorers.some((core) => core === name)) ? [name] : [],
  );
}

function shortEval(evaluation: Evaluation | undefined): EvalSummary | null {
  if (evaluation === undefined) return null;
  const mode = evaluation.metrics['sampled.n'] === undefined ? 'greedy' : 'sampled';
  return at(evaluation.metrics, mode);
}

function evalDetail(evaluation: Evaluation, scorers: readonly string[]): EvalDetail {
  const { metrics, version } = evaluation;
  return {
    version,
    ...(metrics['sampled.n'] !== undefined && { sampled: detailed(metrics, 'sampled', scorers) }),
    ...(metrics['greedy.n'] !== undefined && { greedy: detailed(metrics, 'greedy', scorers) }),
  };
}

type Metrics = Readonly<Record<string, number>>;

function detailed(metrics: Metrics, mode: string, scorers: readonly string[]): DetailedEval {
  const value = (name: string) => metrics[`${mode}.${name}`] ?? 0;
  const hops = Object.keys(metrics).flatMap((key) => new RegExp(`^${mode}\\.hop(\\d+)\\.n$`).exec(key)?.[1] ?? []);
  return {
    ...at(metrics, mode),
    emLow: value('em_low'),
    emHigh: value('em_high'),
    reward: value('reward'),
    turns: value('turns'),
    truncated: value('truncated'),
    absent: value('absent'),
    components: Object.fromEntries(
      scorers.flatMap((name) => {
        const mean = metrics[`${mode}.${name}`];
        return mean === undefined ? [] : [[name, mean]];
      }),
    ),
    byHop: Object.fromEntries(hops.sort().map((hop) => [hop, at(metrics, `${mode}.hop${hop}`)])),
  };
}

function at(metrics: Metrics, prefix: string): EvalSummary {
  const value = (name: string) => metrics[`${prefix}.${name}`] ?? 0;
  return {
    em: value('em'),
    f1: value('f1'),
    toolSuccess: value('tool_success'),
    formatOk: value('format_ok'),
    n: value('n'),
  };
}
