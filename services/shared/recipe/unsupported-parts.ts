import type { Recipe } from './schema.ts';

/**
 * What a valid recipe asks for that this version cannot run yet, in words for people; empty when it can be run.
 * A dry run shows these as notes; a real run is refused.
 */
export function unsupportedParts(recipe: Recipe): string[] {
  const parts: string[] = [];
  if (recipe.retrieval.method === 'dense') {
    parts.push(`retrieval.method: dense (${recipe.retrieval.encoder ?? 'no encoder'}) is not served yet; use lexical`);
  }
  if (recipe.retrieval.reranker !== undefined) {
    parts.push(`retrieval.reranker: ${recipe.retrieval.reranker.model} is not served yet; leave it out`);
  }
  return parts;
}
