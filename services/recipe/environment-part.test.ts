import { expect, it } from 'vitest';
import { environments } from '#environments/index.ts';
import { parseRecipe } from './parse-recipe.ts';

const recipeWith = (environment: string): string => `
name: one
model: { path: ./model }
data: { world: {} }
environment: ${environment}
stages:
  - { name: only, kind: eval, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { exact_match: 1 } }
`;

it.each(environments.flatMap(({ name, options }) => Object.keys(options.shape).map((option) => ({ name, option }))))(
  'an option of $name that is written wrong is refused with the one that was meant: $option',
  ({ name, option }) => {
    const slip = `${option.slice(0, -1)}x${option.at(-1)}`;
    expect(() => parseRecipe(recipeWith(`{ name: ${name}, options: { ${slip}: 1 } }`), 'recipe.yaml')).toThrow(
      `environment.options.${slip}: unknown key; did you mean ${option}?`,
    );
  },
);

it('an environment that is written wrong is refused with the one that was meant', () => {
  expect(() => parseRecipe(recipeWith('{ name: serach }'), 'recipe.yaml')).toThrow(/did you mean search\?/);
});

it('P3: what an environment waits for within a turn is shorter than the turn', () => {
  const waits = (ms: number): string =>
    recipeWith(`{ name: agent, options: { command: [a], rewards: [thumbs], reward_timeout_ms: ${ms} } }`);
  expect(() => parseRecipe(waits(30_000), 'recipe.yaml')).toThrow(
    /limits\.turn_timeout_ms: must be more than environment\.options\.reward_timeout_ms \(30000\)/,
  );
  expect(() => parseRecipe(waits(29_999), 'recipe.yaml')).not.toThrow();
});

it('limits of the processes of a file belong to a file', () => {
  expect(() => parseRecipe(recipeWith('{ name: search, limits: { processes: 2 } }'), 'recipe.yaml')).toThrow(
    /environment\.limits: belongs to path/,
  );
});

it('an option that asks more of a service than its settings allow is refused with both and what to do', () => {
  const withReranker = (topK: number, candidates: number) =>
    `${recipeWith(`{ name: search, options: { top_k: ${topK} } }`)}retrieval: { reranker: { model: a/b, candidates: ${candidates} } }\n`;
  expect(() => parseRecipe(withReranker(20, 15), 'recipe.yaml')).toThrow(
    /environment\.options\.top_k: must be at most retrieval\.reranker\.candidates \(15\): .*; lower top_k, or raise candidates \(got 20\)/,
  );
  expect(parseRecipe(withReranker(15, 15), 'recipe.yaml').environment.options['top_k']).toBe(15);
});
