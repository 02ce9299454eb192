import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorFrom } from '#platform/errors.ts';
import { resolvedRecipeJson } from '#recipe/resolve-recipe.ts';
import type { ResolvedRecipe } from '#recipe/resolve-recipe.ts';

/** Files that the coordinator writes into a run's directory. All of them can be made again from the ledger. */
export const runFileNames = { recipe: 'recipe.json', metrics: 'metrics.jsonl', summary: 'summary.json' } as const;

/** What recipe.json holds: the recipe with every default, and where its inputs and the run itself lie. */
export function recipeText(resolved: ResolvedRecipe, directory: string): string {
  return `${JSON.stringify(JSON.parse(resolvedRecipeJson({ ...resolved, directory })), null, 2)}\n`;
}

/** Where a branch of weights has its checkpoints: the run's directory for the first one. */
export function branchDirectory(directory: string, branch: number): string {
  return branch === 0 ? directory : join(directory, 'branches', String(branch));
}

/** The model that a later branch starts from. The first one starts from the model of the recipe. */
export function laterBranchModel(directory: string, branch: number): string {
  return join(branchDirectory(directory, branch), 'model');
}

/** Where the policy that entered the n-th stage of the run is kept while its gate may still send the run back to it. */
export function entryModel(directory: string, stageNumber: number): string {
  return join(directory, 'entries', String(stageNumber));
}

/** Where a run that has finished leaves its policy, as transformers loads it. */
export function finalModel(directory: string): string {
  return join(directory, 'final');
}

export interface UnreadableRun {
  readonly run: string;
  readonly reason: string;
}

/** Folders of `home` that hold a run, by name, and those that cannot be read. */
export async function runsIn(home: string): Promise<{ readonly ids: string[]; readonly unreadable: UnreadableRun[] }> {
  let entries;
  try {
    entries = await readdir(home, { withFileTypes: true });
  } catch {
    // No home yet: no runs.
    return { ids: [], unreadable: [] };
  }
  const found: string[] = [];
  const unreadable: UnreadableRun[] = [];
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    try {
      const files = await readdir(join(home, entry.name));
      if (files.includes(runFileNames.recipe)) found.push(entry.name);
    } catch (thrown) {
      unreadable.push({ run: entry.name, reason: errorFrom(thrown).message });
    }
  }
  return { ids: found.toSorted(), unreadable };
}
