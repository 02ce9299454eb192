import { scorers } from '../scorers/registry.ts';

/** The names that a recipe may give weights to. */
export function describe(): { readonly scorers: readonly string[] } {
  return { scorers: [...scorers.keys()] };
}
