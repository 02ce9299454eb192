import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '#platform/files/file-error.ts';
import { writeAtomically } from '#platform/files/write-atomically.ts';
import { parseResolvedRecipe, resolvedRecipeJson, type ResolvedRecipe } from '#recipe/resolve-recipe.ts';

/** What a fleet that takes recipes was started with: the recipe, where its inputs lie, and what the services loaded of them. */
const offerPath = (home: string): string => join(home, 'offer.json');

export async function writeOffer(home: string, offered: ResolvedRecipe): Promise<void> {
  await writeAtomically(offerPath(home), resolvedRecipeJson(offered));
}

/** Undefined where the fleet of this home takes no recipes. */
export async function readOffer(home: string): Promise<ResolvedRecipe | undefined> {
  let text: string;
  try {
    text = await readFile(offerPath(home), 'utf8');
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
  return parseResolvedRecipe(text);
}
