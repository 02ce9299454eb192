import { isAbsolute, join, relative } from 'node:path';
import type { RecipePaths } from './resolve-recipe.ts';

/** `path` as it is called after the directory `from` was moved to `to`; unchanged when it lies elsewhere, or is no path but a location of a store. */
export function reroot(path: string, from: string, to: string): string {
  if (!isAbsolute(path) || from === '' || from === to) return path;
  const inside = relative(from, path);
  return inside === '..' || inside.startsWith('../') || isAbsolute(inside) ? path : join(to, inside);
}

/** Inputs that lie in a run's directory move with it; a model or data set elsewhere stays where it is. */
export function rerootPaths(paths: RecipePaths, from: string, to: string): RecipePaths {
  return {
    model: reroot(paths.model, from, to),
    train: reroot(paths.train, from, to),
    held_out: reroot(paths.held_out, from, to),
    ...(paths.corpus !== undefined && { corpus: reroot(paths.corpus, from, to) }),
    ...(paths.environment !== undefined && { environment: reroot(paths.environment, from, to) }),
    ...(paths.environment_file !== undefined && { environment_file: reroot(paths.environment_file, from, to) }),
    ...(paths.search_models !== undefined && { search_models: rerootEach(paths.search_models, from, to) }),
    ...(paths.scorers !== undefined && { scorers: rerootEach(paths.scorers, from, to) }),
    ...(paths.stages !== undefined && { stages: rerootEach(paths.stages, from, to) }),
    ...(paths.judge_keys !== undefined && { judge_keys: rerootEach(paths.judge_keys, from, to) }),
    ...(paths.judge_caches !== undefined && { judge_caches: rerootEach(paths.judge_caches, from, to) }),
  };
}

function rerootEach(paths: Readonly<Record<string, string>>, from: string, to: string): Record<string, string> {
  return Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, reroot(path, from, to)]));
}
