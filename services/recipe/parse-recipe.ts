import { TerminalError } from '#platform/errors.ts';
import { prototypeKeys } from '#platform/files/prototype-keys.ts';
import { parseYamlDocument } from '#platform/files/yaml-document.ts';
import { expandRewards } from '#rewards/expand-rewards.ts';

import { checkRecipe } from './check-recipe.ts';
import type { RecipeIssue } from './check-recipe.ts';
import { completeParts } from './complete-parts.ts';
import { applySettings, type RecipeSetting } from './recipe-settings.ts';
import { furtherIssues } from './further-issues.ts';
import { recipeSchema } from './schema.ts';
import type { Recipe } from './schema.ts';
import { issuesOf, mostProblems } from './zod-issues.ts';
import { firstOf, shortText, showValue } from '#platform/text/show-value.ts';

/**
 * A recipe from YAML text, with what `settings` say in place of it. `file` is only used in messages.
 * Throws TerminalError('invalid_argument') that lists every problem as `file:line: path: what (got value)`, or with the setting in front.
 */
export function parseRecipe(text: string, file: string, settings: readonly RecipeSetting[] = []): Recipe {
  const document = parseYamlDocument(text, file, { merge: true });
  const { value, settingAt } = applySettings(document.value, settings);
  const outcome = checkRecipeValue(value);
  if (outcome.kind === 'recipe') return outcome.recipe;
  throw invalid(file, outcome.issues, (issue) => {
    const setting = settingAt(issue.path);
    if (setting !== undefined) return `--set ${shortText(setting.text)}: ${formatIssue(issue)}`;
    const line = document.lineOf(issue.path);
    return `${file}${line === undefined ? '' : `:${line}`}: ${formatIssue(issue)}`;
  });
}

export type RecipeOutcome =
  | { readonly kind: 'recipe'; readonly recipe: Recipe }
  | { readonly kind: 'issues'; readonly issues: readonly RecipeIssue[] };

/** The same checks for a value that did not come from YAML. */
export function checkRecipeValue(value: unknown): RecipeOutcome {
  const lost = prototypeKeys(value).map((path) => ({ path, message: 'cannot be a name; choose another' }));
  if (lost.length > 0) return { kind: 'issues', issues: lost };
  const expanded = expandRewards(value);
  const parsed = recipeSchema.safeParse(expanded, { reportInput: true });
  if (!parsed.success) {
    const refused = issuesOf(recipeSchema, parsed.error, expanded);
    return { kind: 'issues', issues: [...refused, ...furtherIssues(expanded, refused)] };
  }
  const { recipe, issues: ofParts } = completeParts(parsed.data);
  const issues = [...ofParts, ...checkRecipe(recipe)];
  return issues.length === 0 ? { kind: 'recipe', recipe } : { kind: 'issues', issues };
}

export function formatIssue(issue: RecipeIssue): string {
  const path = formatPath(issue.path);
  const got = issue.value === undefined ? '' : ` (got ${showValue(issue.value)})`;
  return `${path === '' ? 'the recipe' : path}: ${issue.message}${got}`;
}

function formatPath(path: readonly (string | number)[]): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${shortText(part)}`))
    .join('');
}

/** Only what is reported is looked up: a line is found by reading through the document. */
function invalid(
  file: string,
  issues: readonly RecipeIssue[],
  describe: (issue: RecipeIssue) => string,
): TerminalError {
  const reported = issues.slice(0, mostProblems).map(describe);
  const head = issues.length === 1 ? '' : `${file} has ${issues.length.toLocaleString('en')} problems:\n`;
  const problems = firstOf([...reported, ...issues.slice(mostProblems).map(() => '')], mostProblems);
  return new TerminalError('invalid_argument', `${head}${problems.join('\n')}`, { details: { file, problems } });
}
