import type { StageRecipe } from '#shared/recipe/schema.ts';
import type { StageState } from '../ledger/run-state.ts';

/** What a stage does next while it is not finished. */
export type StageAction =
  /**
   * Gather the batches of the stage's steps before `before` that are not decided yet; several at a time when the recipe
   * allows staleness. Training on what is decided goes on beside it. 0: gather nothing more, only train.
   */
  | { readonly kind: 'work'; readonly before: number }
  /** Evaluate in the middle of the stage. */
  | { readonly kind: 'evaluate'; readonly name: string }
  | { readonly kind: 'finish'; readonly reason: 'steps' | 'plateau' | 'budget' };

/**
 * A kind of stage: decides from what the ledger says, so that a resumed run decides the same. The run around it
 * evaluates before and after, and checks the gate.
 */
export interface StageKind {
  readonly name: StageRecipe['kind'];
  /** `waiting` batches are decided and not trained on yet: evaluations and the end wait for them. */
  decide(recipe: StageRecipe, stage: StageState, waiting: number, evalEverySteps: number): StageAction;
}
