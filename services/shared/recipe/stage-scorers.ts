import type { MessageInitShape } from '@bufbuild/protobuf';
import type { JudgedComponentSchema } from '#proto/rollout/v1/judged_pb.ts';
import type { CompositionInit } from '../rewards/compose.ts';
import { rewardList, type WeightedReward } from '../rewards/reward-list.ts';
import type { CustomScorer, DeclaredScorer, GroupwiseScorer } from './reward-parts.ts';
import type { Recipe, StageRecipe } from './schema.ts';

/** What of a recipe decides how a stage's rollouts are scored. */
export type Scorers = Pick<Recipe, 'scorers'>;
export type ScoredStage = Pick<StageRecipe, 'rewards' | 'composition'>;
export type JudgedScorer = Extract<DeclaredScorer, { kind: 'grade' | 'rubric' }>;

/** A declared scorer that a stage names; weight 0 is recorded only. */
export interface Named<Scorer extends DeclaredScorer> {
  readonly name: string;
  readonly weight: number;
  readonly scorer: Scorer;
}

export function isGroupwise(scorer: DeclaredScorer | undefined): scorer is GroupwiseScorer {
  return scorer?.kind === 'pairwise' || scorer?.kind === 'listwise';
}

function isJudged(scorer: DeclaredScorer | undefined): scorer is JudgedScorer {
  return scorer?.kind === 'grade' || scorer?.kind === 'rubric';
}

export function isCustom(scorer: DeclaredScorer | undefined): scorer is CustomScorer {
  return scorer?.kind === 'typescript' || scorer?.kind === 'python' || scorer?.kind === 'http';
}

/** Scorers that compare the samples of a group: the coordinator asks for them once a group has settled. */
export function groupwiseScorers(recipe: Scorers, stage: ScoredStage): Named<GroupwiseScorer>[] {
  return namedScorers(recipe, stage).flatMap(({ name, weight, scorer }) =>
    isGroupwise(scorer) ? [{ name, weight, scorer }] : [],
  );
}

/** Scorers that ask a judge about one rollout. */
export function judgedScorers(recipe: Scorers, stage: ScoredStage): Named<JudgedScorer>[] {
  return namedScorers(recipe, stage).flatMap(({ name, weight, scorer }) =>
    isJudged(scorer) ? [{ name, weight, scorer }] : [],
  );
}

/** Scorers in files and behind URLs. */
export function customScorers(recipe: Scorers, stage: ScoredStage): Named<CustomScorer>[] {
  return namedScorers(recipe, stage).flatMap(({ name, weight, scorer }) =>
    isCustom(scorer) ? [{ name, weight, scorer }] : [],
  );
}

/** Everything with a weight in a stage, groupwise scorers included: what `composeTotal` takes. */
export function weightedScorers(stage: ScoredStage): WeightedReward[] {
  return rewardList(stage.rewards);
}

/** The `rewards` of a task: built-in and custom scorers. */
export function taskRewards(recipe: Scorers, stage: ScoredStage): WeightedReward[] {
  return rewardList(stage.rewards).filter(({ name }) => {
    const scorer = recipe.scorers?.[name];
    return scorer === undefined || isCustom(scorer);
  });
}

/** The `judged` of a task. */
export function taskJudged(recipe: Scorers, stage: ScoredStage): MessageInitShape<typeof JudgedComponentSchema>[] {
  return judgedScorers(recipe, stage).map(({ name, weight, scorer }) => ({
    name,
    weight,
    judge: scorer.judge,
    method:
      scorer.kind === 'grade'
        ? { case: 'grade', value: { notAttempted: scorer.not_attempted } }
        : {
            case: 'rubric',
            value: {
              criteria: Object.entries(scorer.criteria).map(([criterion, { about, weight: share }]) => ({
                name: criterion,
                description: about,
                weight: share,
              })),
            },
          },
  }));
}

/** A stage's composition as it goes over the wire; undefined where it is the weighted sum alone. */
export function wireComposition({ composition }: ScoredStage): CompositionInit | undefined {
  if (composition === undefined) return undefined;
  const { normalize, penalties, gates, clip } = composition;
  return {
    normalize,
    penalties: Object.entries(penalties).map(([name, size]) => ({ name, size })),
    gates: gates.map(({ name, at_least: atLeast, at_most: atMost, otherwise }) => ({
      name,
      otherwise,
      ...(atLeast !== undefined && { atLeast }),
      ...(atMost !== undefined && { atMost }),
    })),
    ...(clip?.low !== undefined && { clipLow: clip.low }),
    ...(clip?.high !== undefined && { clipHigh: clip.high }),
  };
}

/**
 * The `composition` of a task. With groupwise scorers the coordinator composes; a task then only says what must not be absent for
 * that, as gates that any value passes, so that the worker asks again as it does for what has a weight.
 */
export function taskComposition(recipe: Scorers, stage: ScoredStage): CompositionInit | undefined {
  if (groupwiseScorers(recipe, stage).length === 0) return wireComposition(stage);
  const { penalties = {}, gates = [] } = stage.composition ?? {};
  const read = new Set([...Object.keys(penalties), ...gates.map(({ name }) => name)]);
  const needed = [...judgedScorers(recipe, stage), ...customScorers(recipe, stage)].filter(
    ({ name, weight }) => weight === 0 && read.has(name),
  );
  if (needed.length === 0) return undefined;
  return { gates: needed.map(({ name }) => ({ name, atLeast: 0 })) };
}

/**
 * The `composition` of an evaluation's task. Evaluations have no groups: what reads groupwise components is left out, and there is
 * nothing to divide by where they have all the weight.
 */
export function evaluationComposition(recipe: Scorers, stage: ScoredStage): CompositionInit | undefined {
  const { rewards, composition } = stage;
  if (composition === undefined) return undefined;
  const absent = new Set(groupwiseScorers(recipe, stage).map(({ name }) => name));
  const weighed = weightedScorers(stage).some(({ name, weight }) => weight > 0 && !absent.has(name));
  return wireComposition({
    rewards,
    composition: {
      ...composition,
      normalize: composition.normalize && weighed,
      penalties: Object.fromEntries(Object.entries(composition.penalties).filter(([name]) => !absent.has(name))),
      gates: composition.gates.filter(({ name }) => !absent.has(name)),
    },
  });
}

/**
 * Equal for two stages of a recipe for which one evaluation gives everything: the same limits, scorers and settings. Weights matter
 * only with a composition; without one the reward follows from the means of the components.
 */
export function evaluationKey(recipe: Scorers, stage: ScoredStage & Pick<StageRecipe, 'limits'>): string {
  const composition = evaluationComposition(recipe, stage);
  const weighted = weightedScorers(stage).filter(({ name }) => !isGroupwise(recipe.scorers?.[name]));
  return JSON.stringify([
    stage.limits,
    weighted.map(({ name, settingsJson }) => [name, settingsJson]),
    composition === undefined ? null : [composition, weighted.map(({ weight }) => weight)],
  ]);
}

function namedScorers(recipe: Scorers, stage: ScoredStage): Named<DeclaredScorer>[] {
  return rewardList(stage.rewards).flatMap(({ name, weight }) => {
    const scorer = recipe.scorers?.[name];
    return scorer === undefined ? [] : [{ name, weight, scorer }];
  });
}
