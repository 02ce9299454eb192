import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { CompositionSchema, type Composition } from '#proto/rollout/v1/composition_pb.ts';
import type { JudgedComponentSchema } from '#proto/rollout/v1/judged_pb.ts';
import type { ScorerSettingsSchema } from '#proto/rollout/v1/task_pb.ts';
import { isWeightedSum, withoutGroupwise } from '#rewards/compose.ts';
import { rewardMetric } from '#rewards/metric-names.ts';
import { rewardList } from '#rewards/reward-list.ts';
import { environmentScorers, headlineOf, ownRewards } from './environment-part.ts';
import type { CustomScorer, DeclaredScorer, GroupwiseScorer } from './reward-parts.ts';
import type { RolloutStage } from '#stages/kit/fields.ts';
import type { Recipe } from './schema.ts';

/** What of a recipe decides how a stage's rollouts are scored. */
export type Scorers = Pick<Recipe, 'scorers'>;
export type ScoredStage = Pick<RolloutStage, 'rewards' | 'composition' | 'limits'>;
type NamedStage = Pick<RolloutStage, 'rewards'>;
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
export function groupwiseScorers(recipe: Scorers, stage: NamedStage): Named<GroupwiseScorer>[] {
  return namedScorers(recipe, stage).flatMap(({ name, weight, scorer }) =>
    isGroupwise(scorer) ? [{ name, weight, scorer }] : [],
  );
}

/** Scorers that ask a judge about one rollout. */
export function judgedScorers(recipe: Scorers, stage: NamedStage): Named<JudgedScorer>[] {
  return namedScorers(recipe, stage).flatMap(({ name, weight, scorer }) =>
    isJudged(scorer) ? [{ name, weight, scorer }] : [],
  );
}

/** Scorers in files and behind URLs. */
export function customScorers(recipe: Scorers, stage: NamedStage): Named<CustomScorer>[] {
  return namedScorers(recipe, stage).flatMap(({ name, weight, scorer }) =>
    isCustom(scorer) ? [{ name, weight, scorer }] : [],
  );
}

/** The `scorers` of a task: those of its environment, which are recorded whatever they weigh, and what the stage names of built-in and custom ones. */
export function taskScorers(
  recipe: Scorers & Pick<Recipe, 'environment'>,
  stage: NamedStage,
): (MessageInitShape<typeof ScorerSettingsSchema> & { readonly name: string })[] {
  const own = new Set(ownRewards(recipe));
  const named = new Map(rewardList(stage.rewards).map((reward) => [reward.name, reward]));
  const names = new Set([...environmentScorers(recipe), ...named.keys()]);
  return [...names].flatMap((name) => {
    const { weight, settingsJson } = named.get(name) ?? { weight: 0, settingsJson: '' };
    const scorer = recipe.scorers?.[name];
    const isAsked = (scorer === undefined && !own.has(name)) || isCustom(scorer);
    return isAsked ? [{ name, settingsJson, recordedOnly: weight === 0 }] : [];
  });
}

/** The `judged` of a task. */
export function taskJudged(recipe: Scorers, stage: NamedStage): MessageInitShape<typeof JudgedComponentSchema>[] {
  return judgedScorers(recipe, stage).map(({ name, scorer }) => ({
    name,
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

/** The components that a rollout of the stage has by itself; those of its group's comparison are not among them. */
export function recordedComponents(recipe: Scorers & Pick<Recipe, 'environment'>, stage: NamedStage): string[] {
  const asked = [...taskScorers(recipe, stage), ...judgedScorers(recipe, stage)].map(({ name }) => name);
  return [...new Set([...asked, ...ownRewards(recipe)])];
}

/** What makes the reward of a stage's rollouts, in training and in evaluation. */
export function stageComposition(recipe: Scorers, stage: ScoredStage): Composition {
  const { normalize = false, penalties = {}, gates = [], clip, overlong } = stage.composition ?? {};
  return create(CompositionSchema, {
    weights: rewardList(stage.rewards).flatMap(({ name, weight }) => (weight > 0 ? [{ name, weight }] : [])),
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
    ...(overlong !== undefined && {
      overlong: {
        maxTokens: overlong.max_tokens ?? stage.limits.context_tokens,
        bufferTokens: overlong.buffer_tokens,
        factor: overlong.factor,
      },
    }),
    groupwise: groupwiseScorers(recipe, stage).map(({ name }) => name),
  });
}

/** The same for a rollout without a group: evaluations compare nothing, so what reads the comparison is left out. */
export function evaluationComposition(recipe: Scorers, stage: ScoredStage): Composition {
  return withoutGroupwise(stageComposition(recipe, stage));
}

/**
 * Equal for two stages of a recipe for which one evaluation gives everything: the same limits, scorers and settings. Weights matter
 * with a composition, and where the reward has an interval; else the reward follows from the means of the components.
 */
export function evaluationKey(recipe: Scorers & Pick<Recipe, 'environment'>, stage: ScoredStage): string {
  const composition = evaluationComposition(recipe, stage);
  const asked = taskScorers(recipe, stage).map(({ name, settingsJson = '' }) => `${name} ${settingsJson}`);
  const judged = judgedScorers(recipe, stage).map(({ name }) => name);
  return JSON.stringify([
    stage.limits,
    [...asked, ...judged].sort(),
    isWeightedSum(composition) && headlineOf(recipe).primaryMetric !== rewardMetric ? null : composition,
  ]);
}

function namedScorers(recipe: Scorers, stage: NamedStage): Named<DeclaredScorer>[] {
  return rewardList(stage.rewards).flatMap(({ name, weight }) => {
    const scorer = recipe.scorers?.[name];
    return scorer === undefined ? [] : [{ name, weight, scorer }];
  });
}
