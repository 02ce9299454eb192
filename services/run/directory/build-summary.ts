import { headlineOf } from '#recipe/environment-part.ts';
import { inOrder, overSamples, parsePart, partsOf, reservedNames, rewardMetric } from '#rewards/metric-names.ts';
import { rewardWeights } from '#rewards/reward-list.ts';
import type { ResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { kindOf, playedAs } from '#stages/kit/kinds.ts';
import type { RolloutTotals } from '../rollouts/accounting.ts';
import { bestVersions } from '../ledger/best-versions.ts';
import type { Evaluation, RunState, StageState } from '../ledger/run-state.ts';
import { isTrained, learnedSteps, versionOf } from '../ledger/run-state.ts';
import type { TrainingEndings } from '../rollouts/training-endings.ts';
import { finalModel } from './places.ts';
import { allDivergences, describeDivergence, detectorShares } from '../reward-divergence.ts';
import type { EvalDetail, ModeScores, RunSummary, Scores, StageSummary } from './run-summary.ts';

const toldProblems = 10;

export function buildSummary(
  resolved: ResolvedRecipe,
  state: RunState,
  rollouts: RolloutTotals,
  endings: TrainingEndings,
): RunSummary {
  const last = state.stages.findLast((stage) => stage.evaluations.some((evaluation) => evaluation.name === 'after'));
  const { recipe } = resolved;
  const { primaryMetric } = headlineOf(recipe);
  const after = last?.evaluations.find((evaluation) => evaluation.name === 'after');
  const final = shortEval(after);
  const baseline = shortEval(state.baseline);
  return {
    run: state.runId,
    recipe: resolved.recipe.name,
    seed: state.seed,
    policy: resolved.recipe.model.endpoint === undefined ? resolved.recipe.fleet.engine.kind : 'endpoint',
    scriptedJudges: Object.keys(resolved.recipe.fleet.scripted_judges),
    wallSeconds: Math.round(state.activeMs / 10) / 100,
    stages: state.stages.map((stage) => stageSummary(resolved, stage, primaryMetric, endings)),
    notRun: recipe.stages.slice((state.stages.at(-1)?.index ?? -1) + 1).map(({ name }) => name),
    rollouts,
    primaryMetric,
    refused: [...new Set(state.refusals.values())].slice(-toldProblems),
    best: bestVersions(recipe, state).map(({ version, step, stage, metric, score, path: weights }) => ({
      version,
      step,
      stage,
      metric,
      score,
      weights,
    })),
    damagedFiles: state.damagedFiles.slice(-toldProblems),
    state: state.life,
    message: state.message,
    recipePath: resolved.recipe_path,
    recipeHash: state.recipeHash,
    directory: state.directory,
    steps: state.step,
    version: versionOf(state),
    model: hasModel(state.life) && isTrained(recipe, state) ? finalModel(state.directory) : null,
    weights: state.weightsPath === '' ? resolved.paths.model : state.weightsPath,
    updatedAt: new Date(state.lastAtMs).toISOString(),
    inputs: state.inputs,
    acceptedChanges: state.acceptedChanges.map(({ atMs, ...change }) => ({
      at: new Date(atMs).toISOString(),
      ...change,
    })),
    baseline:
      baseline === null || state.baseline === undefined
        ? null
        : { ...baseline, detail: evalDetail(state.baseline, primaryMetric) },
    final:
      final === null || after === undefined || last === undefined
        ? null
        : { ...final, stage: last.name, detail: evalDetail(after, primaryMetric) },
  };
}

/** Exported at its end: also where a later stage had nothing to learn. */
const hasModel = (life: RunState['life']): boolean => life === 'finished' || life === 'nothing_to_learn';

function stageSummary(
  resolved: ResolvedRecipe,
  stage: StageState,
  primaryMetric: string,
  endings: TrainingEndings,
): StageSummary {
  const recipe = resolved.recipe.stages[stage.index];
  const sum = (metric: string) => stage.steps.reduce((total, step) => total + (step.metrics[metric] ?? 0), 0);
  const named = (name: string) => stage.evaluations.find((evaluation) => evaluation.name === name);
  const played = playedAs(resolved.recipe, stage.name);
  const weights = played === undefined ? {} : rewardWeights(played.rewards);
  const scorers = Object.keys(weights);
  const shown = primaryMetric === rewardMetric ? scorers : new Set([primaryMetric, ...scorers]);
  return {
    name: stage.name,
    kind: recipe?.kind ?? '',
    steps: stage.steps.length,
    learnedSteps: learnedSteps(stage),
    plannedSteps: recipe === undefined ? 0 : kindOf(recipe).estimate(recipe, resolved.recipe).steps,
    training: { ...stage.training, ...endings.of(stage.name) },
    rollouts: sum('rollouts/published'),
    groups: sum('groups/opened'),
    reward: stage.steps.map((step) => step.metrics['reward/mean'] ?? 0),
    components: Object.fromEntries(
      [...shown].map((name) => [name, stage.steps.map((step) => step.metrics[`reward/${name}`] ?? null)]),
    ),
    detectors: { ...detectorShares(stage) },
    warnings: [
      ...allDivergences(stage).map(describeDivergence),
      ...notFiniteWarnings(stage),
      ...leftOutWarnings(stage),
      ...((recipe && kindOf(recipe).warnings?.(recipe, stage)) ?? []),
    ],
    prompts: { ...(recipe && kindOf(recipe).prompts?.(stage)) },
    eval: { before: shortEval(named('before')), after: shortEval(named('after')) },
    round: stage.round,
    rewardWeights: weights,
    contextTokens: played?.limits.context_tokens ?? 0,
    maxTurns: played?.limits.max_turns ?? 0,
    finished: stage.finished?.reason ?? null,
    ...pairedOf(recipe && kindOf(recipe).against?.(recipe), named('after')),
    gate: stage.gate ?? null,
    seconds: Math.round(sum('time/step') * 100) / 100,
    evalDetail: Object.fromEntries(
      stage.evaluations.map((evaluation) => [evaluation.name, evalDetail(evaluation, primaryMetric)]),
    ),
  };
}

function pairedOf(against: string | undefined, evaluation: Evaluation | undefined): Pick<StageSummary, 'paired'> {
  if (against === undefined || evaluation === undefined) return {};
  const { metrics } = evaluation;
  const mode = metrics['greedy.n'] === undefined ? 'sampled' : 'greedy';
  const [better, worse, p] = ['better', 'worse', 'p'].map((name) => metrics[`${mode}.paired.${name}`]);
  if (better === undefined || worse === undefined || p === undefined) return {};
  return { paired: { against, better, worse, p } };
}

/** By metric: in which steps the learner gave no finite number for it. */
function notFiniteWarnings({ steps }: StageState): string[] {
  const stepsOf = new Map<string, number[]>();
  for (const { step, notFinite } of steps)
    for (const name of notFinite) stepsOf.set(name, [...(stepsOf.get(name) ?? []), step]);
  return [...stepsOf].map(
    ([name, failed]) =>
      `${name} was not a finite number in ${failed.length} ${failed.length === 1 ? 'step' : 'steps'}, first in step ${failed[0]}: the update cannot be trusted; look at the learner's log`,
  );
}

/** What the learner leaves out of a step, or does again, by metric. */
const leftOut = {
  'train/updates_skipped':
    'updates were left out because their gradient was not finite: lower learning_rate or max_grad_norm',
  'train/micro_batch_splits':
    'times a micro-batch did not fit into memory and was split, which costs time: set fleet.learner.micro_batch_tokens to what train/micro_batch_tokens says',
  token_mismatches:
    "samples were left out because their tokens are not those that the engine saw: look at the learner's log",
} as const;

function leftOutWarnings({ steps }: StageState): string[] {
  return Object.entries(leftOut).flatMap(([metric, what]) => {
    const found = steps.filter(({ metrics }) => (metrics[metric] ?? 0) > 0);
    const total = found.reduce((sum, { metrics }) => sum + (metrics[metric] ?? 0), 0);
    return found.length === 0 ? [] : [`${total} ${what} (first in step ${found[0]?.step})`];
  });
}

function shortEval(evaluation: Evaluation | undefined): Scores | null {
  if (evaluation === undefined) return null;
  return at(evaluation.metrics, evaluation.metrics['sampled.n'] === undefined ? 'greedy' : 'sampled');
}

function evalDetail({ metrics, version }: Evaluation, primaryMetric: string): EvalDetail {
  return {
    version,
    ...(metrics['sampled.n'] !== undefined && { sampled: detailed(metrics, 'sampled', primaryMetric) }),
    ...(metrics['greedy.n'] !== undefined && { greedy: detailed(metrics, 'greedy', primaryMetric) }),
  };
}

type Metrics = Readonly<Record<string, number>>;

function detailed(metrics: Metrics, mode: string, primaryMetric: string): ModeScores {
  const value = (name: string) => metrics[`${mode}.${name}`] ?? 0;
  const low = metrics[`${mode}.${primaryMetric}.low`];
  const high = metrics[`${mode}.${primaryMetric}.high`];
  const tags = partsOf(metrics).flatMap((part) => {
    const parsed = parsePart(part);
    return parsed?.mode === mode && parsed.tag !== undefined ? [[parsed.tag, at(metrics, part)] as const] : [];
  });
  return {
    ...at(metrics, mode),
    interval: low === undefined || high === undefined ? null : { low, high },
    turns: value('turns'),
    truncated: value('truncated'),
    absent: value('absent'),
    environment: environmentOf(metrics, mode),
    overSamples: Object.fromEntries(
      Object.keys(metrics).flatMap((key) => {
        const name = key.startsWith(`${mode}.`) ? key.slice(mode.length + 1) : '';
        if (!overSamples.test(name)) return [];
        return [[name, { value: value(name), low: value(`${name}.low`), high: value(`${name}.high`) }] as const];
      }),
    ),
    byTag: Object.fromEntries(tags.toSorted(([a], [b]) => inOrder(a, b))),
  };
}

function environmentOf(metrics: Metrics, mode: string): Record<string, number> {
  const prefix = `${mode}.environment.`;
  return Object.fromEntries(
    Object.entries(metrics).flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value] as const] : [],
    ),
  );
}

/** What scorers gave, and the reward: the names of one part that nothing else has. */
function at(metrics: Metrics, part: string): Scores {
  const named = Object.entries(metrics).flatMap(([key, value]) => {
    const name = key.startsWith(`${part}.`) ? key.slice(part.length + 1) : '';
    const isScored = name === rewardMetric || (/^[a-z][a-z0-9_]*$/.test(name) && !reservedNames.has(name));
    return isScored ? [[name, value] as const] : [];
  });
  return { metrics: Object.fromEntries(named), n: metrics[`${part}.n`] ?? 0 };
}
