import { readFile } from 'node:fs/promises';
import { parseYamlDocument } from '#platform/files/yaml-document.ts';

/** Paths of a recipe's values as `--set` takes them, each with the sign that follows: `stages.tool-use.until.steps=`. */
export async function recipePaths(recipe: string | undefined): Promise<string[]> {
  if (recipe === undefined) return [];
  try {
    return pathsOf(parseYamlDocument(await readFile(recipe, 'utf8'), recipe, { merge: true }).value, '');
  } catch {
    // The command itself says what is wrong with the file.
    return [];
  }
}

function pathsOf(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [`${path}=`];
  return Object.entries(value).flatMap(([key, child]: [string, unknown]) => {
    const { name } = Object(child) as { readonly name?: unknown };
    const part = Array.isArray(value) && typeof name === 'string' ? name : key;
    return pathsOf(child, path === '' ? part : `${path}.${part}`);
  });
}
