import { expect, it } from 'vitest';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { kindNamed } from '../kit/kinds.ts';

const recipeOf = (more: string) =>
  parseRecipe(
    `
name: test
model: { path: m }
data: { world: {} }
environment: { name: search }
stages:
  - { name: out, kind: export${more} }
`,
    'test.yaml',
  );

it('a stage exports once, and takes nothing but a name', () => {
  const recipe = recipeOf('');
  const [stage] = recipe.stages;
  if (stage === undefined) throw new Error('no stage');
  const kind = kindNamed('export');
  const view = { steps: [], evaluations: [], waiting: 0, progress: undefined };
  expect(kind.next(stage, view, recipe)).toMatchObject({ kind: 'act' });
  const progress = kind.fold?.(undefined, { directory: '/run/exports/out' });
  expect(kind.next(stage, { ...view, progress }, recipe)).toEqual({ kind: 'finish', reason: 'exported' });
  expect(() => recipeOf(', until: { steps: 1 }')).toThrow('stages[0].until: unknown key; known keys: name, kind');
});
