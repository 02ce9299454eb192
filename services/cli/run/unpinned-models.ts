import { needsRetrieval } from '#recipe/environment-part.ts';
import type { Recipe } from '#recipe/schema.ts';

const commit = /@[0-9a-f]{40}$/;

/**
 * Models that search named by a hub id without a commit, each with the fix. What a branch or a tag of the hub names may change, and then a
 * resumed or repeated run searches by another model, without an input that has changed (P8).
 */
export function unpinnedModels(recipe: Pick<Recipe, 'environment' | 'retrieval'>): string[] {
  if (!needsRetrieval(recipe)) return [];
  const { encoder, reranker } = recipe.retrieval;
  const named = [['encoder', encoder] as const, ['reranker.model', reranker?.model] as const];
  return named.flatMap(([field, given]) => {
    // After the model there may be the path of other weights.
    const [model = '', weights] = given?.split(':') ?? [];
    if (model === '' || model.startsWith('/') || commit.test(model)) return [];
    const pinned = `${model.replace(/@.*$/, '')}@COMMIT${weights === undefined ? '' : `:${weights}`}`;
    return [
      `retrieval.${field}: ${given} names no commit, so a later run or a resumed one may search by another model; write ${pinned} with the 40 digits of a commit, or an absolute path`,
    ];
  });
}
