import { expect, it } from 'vitest';
import { environmentDirectory, withLocatedEnvironment } from './environment-part.ts';
import { parseRecipe } from './parse-recipe.ts';
import { recipeHash } from './resolve-recipe.ts';

const recipeOf = (environment: string) =>
  parseRecipe(
    `
name: located
model: { path: ./model }
data: { world: {} }
environment: ${environment}
fleet: { workers: 1, engines: 1 }
stages:
  - { name: only, kind: eval, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { exact_match: 1 } }
`,
    'r.yaml',
  );
const own = recipeOf(
  '{ name: tools, options: { files: [{ path: tools.ts }], servers: [{ name: a, command: [a] }, { name: b, url: "http://b/mcp" }] } }',
);

it('P8: makes paths of options absolute from the recipe’s folder, and leaves the recipe as it hashes alone', () => {
  const hash = recipeHash(own);
  const { options } = withLocatedEnvironment(own, environmentDirectory(own, '/home/recipes/r.yaml')).environment;
  expect(options).toMatchObject({
    files: [{ path: '/home/recipes/tools.ts' }],
    servers: [{ command: ['a'], directory: '/home/recipes' }, { url: 'http://b/mcp' }],
  });
  expect(recipeHash(own)).toBe(hash);
  expect(own.environment.options).toMatchObject({ files: [{ path: 'tools.ts' }] });
});

it('names no folder where the environment has no paths', () => {
  const search = recipeOf('{ name: search }');
  expect(environmentDirectory(search, '/home/recipes/r.yaml')).toBeUndefined();
  expect(withLocatedEnvironment(search, undefined)).toBe(search);
});
