import { expect, test } from 'vitest';
import { environments } from '#environments/index.ts';
import { evalEnvironment, evalOfRecipe } from './eval-recipe.ts';

test.each(environments.map(({ name }) => [name]))(
  '%s can be evaluated without a recipe: something is weighed',
  (name) => {
    const { environment, rewards } = evalEnvironment(name);
    expect(environment).toEqual({ name, options: {} });
    expect(Object.values(rewards)).toContain(1);
  },
);

test('an environment is rewarded by its primary metric, or by what its episodes give themselves', () => {
  expect(evalEnvironment('arithmetic').rewards).toEqual({ exact_match: 1 });
  expect(evalEnvironment('openenv').rewards).toEqual({ environment_reward: 1 });
});

test('a model that was not trained for search is instructed how to search, whether the environment is named or the default', () => {
  const { environment } = evalEnvironment('search', true);
  expect(environment).toEqual(evalEnvironment(undefined, true).environment);
  expect(environment.options).toMatchObject({ chat: true, system_prompt: expect.stringContaining('websearch') });
});

test.each(environments.flatMap(({ name, options, instructed }) => (instructed ? [[name, options, instructed]] : [])))(
  '%s takes the options that instruct a model',
  (_name, options, instructed) => expect(options.safeParse(instructed).success).toBe(true),
);

test('an unknown name is refused with what was meant', () => {
  expect(() => evalEnvironment('serch')).toThrow("environment 'serch' is unknown; did you mean search?");
});

test('P9: an environment next to a recipe is refused, since the recipe names its own', async () => {
  const options = {
    environment: 'tools',
    format: 'gradus',
    seed: 1,
    set: [],
    out: 'out',
  } as const;
  const limits = { contextTokens: 640, maxNewTokens: 48, maxTurns: 10, json: false };
  await expect(evalOfRecipe('recipes/demo.yaml', { ...options, ...limits })).rejects.toThrow(
    '--environment tools: recipe recipes/demo.yaml names its own',
  );
});
