import { expect } from 'vitest';
import { TerminalError } from '#platform/errors.ts';
import { parseRecipe } from './parse-recipe.ts';

export const minimal = `
name: tiny
model: { path: ../policies/nano }
data: { world: { seed: 7 } }
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 288, max_new_tokens: 48 }
    rewards: { exact_match: 1 }
    until: { steps: 3 }
`;

/** What is wrong with a recipe, in words. */
export function problemsOf(text: string): string {
  try {
    parseRecipe(text, 'r.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(TerminalError);
    return error instanceof Error ? error.message : '';
  }
  return 'no problem';
}
