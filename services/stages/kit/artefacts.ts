import type { RecipeIssue } from '#recipe/check-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';
import { kindOf } from './kinds.ts';

/**
 * What a stage leaves for later ones: the policy as it is after it (`weights`), what it played (`rollouts`, on the streams of the run),
 * rows that it chose or made (`rows`).
 */
export type Artefact = 'weights' | 'rollouts' | 'rows';

/** An artefact of an earlier stage that a stage takes, and the field of it that says so. */
export interface ArtefactUse {
  readonly path: readonly (string | number)[];
  readonly stage: string;
  readonly artefact: Artefact;
}

/** Rows of a stage that it leaves for others: in the plain form, as files of data have it. */
export interface ArtefactRow {
  readonly id: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly gold: Readonly<Record<string, unknown>>;
  readonly tags: Readonly<Record<string, string>>;
}

/** What the stage at `index` takes has to be left by an earlier one. Paths begin at the stage. */
export function checkUses(recipe: Recipe, index: number): RecipeIssue[] {
  const stage = recipe.stages[index];
  const uses = stage === undefined ? [] : (kindOf(stage).uses?.(stage) ?? []);
  return uses.flatMap(({ path, stage: from, artefact }) => {
    const earlier = recipe.stages.slice(0, index).filter((each) => kindOf(each).leaves.includes(artefact));
    if (earlier.some(({ name }) => name === from)) return [];
    const names = earlier.map(({ name }) => name).join(', ');
    const help = names === '' ? 'there is none' : `there are: ${names}`;
    return [{ path, message: `is not an earlier stage that leaves ${artefact}; ${help}`, value: from }];
  });
}

/** Whether a later stage takes `artefact` of the stage of that name. */
export function isUsed(recipe: Pick<Recipe, 'stages'>, name: string, artefact: Artefact): boolean {
  return recipe.stages.some((stage) =>
    (kindOf(stage).uses?.(stage) ?? []).some((use) => use.stage === name && use.artefact === artefact),
  );
}
