import type { RecipeIssue } from './check-recipe.ts';
import { completeEngine } from './engine-part.ts';
import { completeEnvironment } from './environment-part.ts';
import type { Recipe } from './schema.ts';

/** The recipe with every option that a case's own schema knows written out, and what those schemas say against it. */
export function completeParts(recipe: Recipe): { readonly recipe: Recipe; readonly issues: readonly RecipeIssue[] } {
  const environment = completeEnvironment(recipe);
  const engine = completeEngine(environment.recipe);
  return { recipe: engine.recipe, issues: [...environment.issues, ...engine.issues] };
}
