import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseRecipe } from './parse-recipe.ts';
import { rowNeeds } from './row-needs.ts';

const url = new URL('../../recipes/demo.yaml', import.meta.url);
const demo = readFileSync(url, 'utf8').replace(
  /environment: .*/,
  "environment: { name: openenv, options: { urls: ['http://127.0.0.1:1'], action: text, prompt_template: '{observation} {row.level}' } }",
);

test("rows have what an environment's schema asks for, and the columns that its options name", () => {
  const text = demo
    .replaceAll(/ *rewards: .*/g, '    rewards: { environment_reward: 1.0 }')
    .replace(/^retrieval: .*\n/m, '');
  const { row } = rowNeeds(parseRecipe(text, 'demo.yaml'));
  expect(row.data.safeParse({ level: 1 }).success).toBe(true);
  const { error } = row.data.safeParse({ levle: 1 });
  expect(error?.issues).toMatchObject([
    { path: ['level'], message: 'is a column that environment.options read; did you mean levle?' },
  ]);
});
