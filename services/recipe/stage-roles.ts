import { create } from '@bufbuild/protobuf';
import { CompositionSchema, WeightSchema, type Composition } from '#proto/rollout/v1/composition_pb.ts';
import type { RolloutStage } from '#stages/kit/fields.ts';
import { environmentRoles } from './environment-part.ts';
import type { Recipe } from './schema.ts';
import { stageComposition } from './stage-scorers.ts';

/** A role of the environment, as a stage has it. */
export interface StageRole {
  readonly name: string;
  /** The policy is updated on what it writes. */
  readonly train: boolean;
  /** What makes its own reward. */
  readonly composition: Composition;
}

/** All roles of the recipe's environment, in its order, with what the stage says of them; empty where there are none. */
export function stageRoles(recipe: Pick<Recipe, 'scorers' | 'environment'>, stage: RolloutStage): StageRole[] {
  return environmentRoles(recipe).map((name) => {
    const { train = true, rewards } = stage.roles?.[name] ?? {};
    const composition = stageComposition(recipe, stage);
    if (rewards === undefined) return { name, train, composition };
    const weights = Object.entries(rewards).flatMap(([component, weight]) =>
      weight > 0 ? [create(WeightSchema, { name: component, weight })] : [],
    );
    return { name, train, composition: create(CompositionSchema, { ...composition, weights }) };
  });
}
