import { checkRecipe } from './check-recipe.ts';
import type { RecipeIssue } from './check-recipe.ts';
import { completeParts } from './complete-parts.ts';
import { recipeSchema } from './schema.ts';

type Path = RecipeIssue['path'];

/**
 * What rules between fields find in a recipe of which the schema has refused keys, so that all problems are reported at once: an unknown key is taken
 * for the one that was meant, and is left out where none was. Empty where that makes no recipe: nothing takes the place of a refused value, since the
 * rules would judge it. What touches a refused part is left out.
 */
export function furtherIssues(value: unknown, refused: readonly RecipeIssue[]): RecipeIssue[] {
  const repaired = structuredClone(value);
  for (const { path, unknownKey } of refused) if (unknownKey !== undefined) repair(repaired, path, unknownKey.meant);
  const parsed = recipeSchema.safeParse(repaired);
  if (!parsed.success) return [];
  const completed = completeParts(parsed.data);
  return [...completed.issues, ...checkRecipe(completed.recipe)].filter(
    (issue) => !refused.some(({ path }) => isWithin(issue.path, path) || isWithin(path, issue.path)),
  );
}

function repair(value: unknown, path: Path, meant: string | undefined): void {
  const parent = path.slice(0, -1).reduce<unknown>((inner, part) => Object(inner)[part], value);
  const key = path.at(-1);
  if (typeof parent !== 'object' || parent === null || Array.isArray(parent) || key === undefined) return;
  const fields = parent as Record<string | number, unknown>;
  if (meant !== undefined && fields[meant] === undefined) fields[meant] = fields[key];
  delete fields[key];
}

function isWithin(path: Path, of: Path): boolean {
  return of.every((part, index) => path[index] === part);
}
