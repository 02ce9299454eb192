import type { RecipeIssue } from '#recipe/check-recipe.ts';
import { headlineOf, isUnloaded } from '#recipe/environment-part.ts';
import type { GroupwiseScorer } from '#recipe/reward-parts.ts';
import type { Recipe } from '#recipe/schema.ts';
import { groupwiseScorers, recordedComponents } from '#recipe/stage-scorers.ts';
import { rewardMetric } from '#rewards/metric-names.ts';
import { rewardList } from '#rewards/reward-list.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import { checkGate, checkRecorded, checkRollouts } from '../kit/check.ts';
import { criticFields } from '../kit/objectives.ts';
import { checkRoles } from './check-roles.ts';
import { samplingOf } from './sampling/index.ts';
import type { RlStage } from './schema.ts';

/** Bound of the reward service: samples of a group. */
const mostCompared = 64;

export function checkRl(stage: RlStage, recipe: Recipe): RecipeIssue[] {
  const { group_ms: groupMs, step_ms: stepMs } = stage.deadlines;
  const deadlines = [
    [['deadlines', 'group_ms'], groupMs],
    [['deadlines', 'step_ms'], stepMs],
  ] as const;
  return [
    ...checkRollouts(stage, recipe, deadlines, 'group < step'),
    ...groupwiseScorers(recipe, stage).flatMap(({ name, scorer }) => checkGroupwise(name, scorer, stage)),
    ...checkPlateau(recipe, stage),
    ...checkRoles(stage, recipe),
    ...checkTraining(stage, recipe),
    ...checkCritic(stage),
    ...checkSampling(stage, recipe),
    ...checkGate(stage.gate, recipe, stage),
  ];
}

function checkTraining(stage: RlStage, recipe: Recipe): RecipeIssue[] {
  const issues: RecipeIssue[] = [];
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
  if (stage.algorithm.updates_per_epoch > stage.batch.groups) {
    issues.push({
      path: ['algorithm', 'updates_per_epoch'],
      message: `must be at most batch.groups (${stage.batch.groups}): an update sees whole groups`,
      value: stage.algorithm.updates_per_epoch,
    });
  }
  if (stage.algorithm.dual_clip !== 0 && stage.algorithm.dual_clip <= 1) {
    issues.push({
      path: ['algorithm', 'dual_clip'],
      message: 'must be > 1, or 0 for off',
      value: stage.algorithm.dual_clip,
    });
  }
  const { dynamic_sampling_by: by } = stage.algorithm;
  if (by !== undefined && !isUnloaded(recipe))
    issues.push(...checkRecorded(by, recordedComponents(recipe, stage), ['algorithm', 'dynamic_sampling_by']));
  // The learner compares with the whole distribution at this temperature.
  const { top_p: topP, top_k: topK } = stage.sampling;
  const whole = 'its log-probabilities are of the whole distribution, and what is trained on is drawn from that';
  if (topP < 1) issues.push({ path: ['sampling', 'top_p'], message: `must be 1: ${whole}`, value: topP });
  if (topK > 0) issues.push({ path: ['sampling', 'top_k'], message: `must be 0: ${whole}`, value: topK });
  return issues;
}

/** Options of the critic are of `gae` alone, and what compares groups or whole sequences is not of it. */
function checkCritic({ algorithm }: RlStage): RecipeIssue[] {
  const given: Readonly<Record<string, unknown>> = algorithm;
  const issue = (field: string, message: string): RecipeIssue => ({
    path: ['algorithm', field],
    message,
    value: given[field],
  });
  if (algorithm.advantage !== 'gae')
    return Object.entries(criticFields)
      .filter(([field, schema]) => given[field] !== schema.parse(undefined))
      .map(([field]) =>
        issue(
          field,
          `is of a critic, and algorithm.advantage is ${algorithm.advantage}: set that to gae, or leave this out`,
        ),
      );
  const refused: RecipeIssue[] = [];
  if (algorithm.dynamic_sampling)
    refused.push(
      issue(
        'dynamic_sampling',
        'must be false with advantage gae: a critic is the baseline, so there is something to learn from groups whose rewards do not vary',
      ),
    );
  if (algorithm.dynamic_sampling_by !== undefined)
    refused.push(issue('dynamic_sampling_by', 'must be left out with advantage gae, which has no dynamic sampling'));
  if (algorithm.policy_loss === 'gspo')
    refused.push(
      issue(
        'policy_loss',
        'has one ratio for a whole sequence, and gae an advantage for each token: take clip or cispo',
      ),
    );
  return refused;
}

function checkSampling(stage: RlStage, recipe: Recipe): RecipeIssue[] {
  const sampling = samplingOf(stage.prompts.sampling);
  if (sampling === undefined) return [];
  const path = ['prompts', 'sampling'];
  const metric = sampling.metric ?? headlineOf(recipe).primaryMetric;
  return [
    ...sampling.check().map((issue) => ({ ...issue, path: [...path, ...issue.path] })),
    // What a file of its own declares was checked where the file is.
    ...(isUnloaded(recipe) ? [] : checkRecorded(metric, recordedComponents(recipe, stage), [...path, 'metric'])),
  ];
}

function checkGroupwise(name: string, scorer: GroupwiseScorer, { batch, deadlines }: RlStage): RecipeIssue[] {
  const { group_size: size } = batch;
  const fail = (message: string): RecipeIssue[] => [{ path: ['rewards', name], message }];
  if (size < 2 || size > mostCompared) {
    return fail(`compares the samples of a group; batch.group_size is ${size} and must be 2 to ${mostCompared}`);
  }
  const issues: RecipeIssue[] = [];
  if (scorer.kind === 'pairwise' && scorer.rounds !== undefined && scorer.rounds > size - 1) {
    issues.push(
      ...fail(`scorers.${name}.rounds (${scorer.rounds}) must be at most batch.group_size - 1 (${size - 1})`),
    );
  }
  const allPairs = (size * (size - 1)) / 2;
  if (scorer.kind === 'pairwise' && scorer.pairs !== undefined && scorer.pairs > allPairs) {
    issues.push(...fail(`scorers.${name}.pairs (${scorer.pairs}): ${size} samples have ${allPairs}`));
  }
  // A sample that meets nobody has no reward, and one that is connected with nobody has one that says nothing.
  if (scorer.kind === 'pairwise' && scorer.pairs !== undefined && scorer.pairs < size - 1) {
    issues.push(
      ...fail(`scorers.${name}.pairs (${scorer.pairs}): at least ${size - 1} connect all ${size} samples of a group`),
    );
  }
  if (scorer.deadline_ms !== undefined && scorer.deadline_ms >= deadlines.step_ms) {
    issues.push(
      ...fail(
        `scorers.${name}.deadline_ms (${scorer.deadline_ms}) must be less than deadlines.step_ms (${deadlines.step_ms})`,
      ),
    );
  }
  return issues;
}

/** The mean of a comparison within each group is 1/2, whatever the policy does. */
function checkPlateau(recipe: Recipe, stage: RlStage): RecipeIssue[] {
  const { plateau } = stage.until;
  if (plateau === undefined || isUnloaded(recipe)) return [];
  const path = ['until', 'plateau', 'metric'];
  const components = recordedComponents(recipe, stage);
  if (plateau.metric !== rewardMetric) {
    if (components.includes(plateau.metric)) return [];
    const meant = suggest(plateau.metric, [rewardMetric, ...components]);
    const help =
      meant === undefined ? `there are: ${[rewardMetric, ...components].join(', ')}` : `did you mean ${meant}?`;
    return [
      {
        path,
        message: `is not a component that every rollout of the stage has by itself; ${help}`,
        value: plateau.metric,
      },
    ];
  }
  const groupwise = new Set(groupwiseScorers(recipe, stage).map(({ name }) => name));
  const weighted = rewardList(stage.rewards).filter(({ weight }) => weight > 0);
  if (weighted.length === 0 || weighted.some(({ name }) => !groupwise.has(name))) return [];
  const { primaryMetric } = headlineOf(recipe);
  const other =
    primaryMetric === rewardMetric ? 'leave the plateau out' : `watch a component, for example ${primaryMetric}`;
  const message = `is the mean reward, which comparisons within groups keep where it is; ${other}`;
  return [{ path, message, value: plateau.metric }];
}
