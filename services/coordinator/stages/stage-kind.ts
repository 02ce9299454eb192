import type { StageRecipe } from '#shared/recipe/schema.ts';
import type { StageState } from '../ledger/run-state.ts';

/** What a stage does next while it is not finished. */
export type StageAction =
  /** Gather the batch of the stage's step `stageStep` (from 0); training on it follows by itself. */
  | { readonly kind: 'gather'; readonly stageStep: number }
  /** Evaluate in the middle of the stage. */
  | { readonly kind: 'evaluate'; readonly name: string }
  | { readonly kind: 'finish'; readonly reason: 'steps' | 'plateau' | 'budget' };

/**
 * A kind of stage: decides from what the ledger says, so that a resumed run decides the same. The run around it
 * evaluates before and after, and checks the gate.
 */
export interface StageKind {
  readonly name: StageRecipe['kind'];
  decide(recipe: StageRecipe, stage: StageState, evalEverySteps: number): StageAction;
}
