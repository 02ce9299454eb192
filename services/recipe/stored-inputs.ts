/** Inputs that a recipe names by their digest in a store, in the place of a path: `artefact:DIGEST`. */
import { dirname, resolve } from 'node:path';
import { isStored } from '#artefacts/location.ts';
import { kindOf } from '#stages/kit/kinds.ts';
import type { Recipe } from './schema.ts';

/** From where a recipe's paths are read. */
export interface RecipePlace {
  /** The recipe's file, absolute: paths begin at its folder. */
  readonly file: string;
  /** Paths of this machine by location, of what was fetched from a store. */
  readonly fetched?: ReadonlyMap<string, string> | undefined;
}

/** The absolute path of what a recipe names; a location that was not fetched stays what it is. Reads nothing. */
export function placeOfInput(path: string, { file, fetched }: RecipePlace): string {
  return isStored(path) ? (fetched?.get(path) ?? path) : resolve(dirname(file), path);
}

/** `rows` and `corpus` are one file each; `weights` are the directory of a model, or one file of weights. */
export type Holding = 'rows' | 'corpus' | 'weights';

export interface StoredInput {
  /** Of the recipe, as `data.rows.train`. */
  readonly field: string;
  readonly location: string;
  readonly holds: Holding;
}

/** Everything that a recipe has in a store, in the order of the recipe. */
export function storedInputs({ model, data, stages }: Pick<Recipe, 'model' | 'data' | 'stages'>): StoredInput[] {
  const sources = Object.entries(data).flatMap(([source, named = {}]) =>
    Object.entries(named).map(([key, value]) => ({
      field: `data.${source}.${key}`,
      location: value,
      holds: key === 'corpus' ? ('corpus' as const) : ('rows' as const),
    })),
  );
  const ofStages = stages.flatMap((stage, index) => {
    const { files: filesOf, filesHold: holds } = kindOf(stage);
    if (holds === undefined) return [];
    const named = new Set(Object.values(filesOf?.(stage) ?? {}));
    return textsOf(stage, `stages[${index}]`)
      .filter(({ text }) => named.has(text))
      .map(({ field, text }) => ({ field, location: text, holds }));
  });
  return [{ field: 'model.path', location: model.path, holds: 'weights' as const }, ...sources, ...ofStages].flatMap(
    ({ location, ...input }) => (typeof location === 'string' && isStored(location) ? [{ ...input, location }] : []),
  );
}

/** All texts below a value, with where they stand. */
function textsOf(value: unknown, field: string): { readonly field: string; readonly text: string }[] {
  if (typeof value === 'string') return [{ field, text: value }];
  if (Array.isArray(value)) return value.flatMap((inner, index) => textsOf(inner, `${field}[${index}]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => textsOf(inner, `${field}.${key}`));
}
