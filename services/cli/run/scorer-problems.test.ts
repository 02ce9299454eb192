import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { scorerProblems } from './scorer-problems.ts';

const sound = `
import { defineScorer, z } from 'gradus/scorer';
console.log('what it prints is not an answer');
export default defineScorer({ settings: z.strictObject({ most: z.number() }), score: () => 1 });
`;

/** Problems of a recipe with these scorers' files, weighed by `rewards`. */
async function problemsOf(files: Readonly<Record<string, string>>, rewards: string): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'gradus-scorer-problems-'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const scorers = Object.keys(files).map((name) => {
    const [word = '', kind] = name.split('.');
    return `${word}: { kind: ${kind === 'py' ? 'python' : 'typescript'}, path: ./${name} }`;
  });
  const text = `
name: checked
model: { path: ./model }
data: { world: {} }
scorers: { ${scorers.join(', ')} }
environment: { name: search }
stages:
  - { name: only, kind: eval, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: ${rewards} }
`;
  const file = join(folder, 'recipe.yaml');
  return await scorerProblems({ recipe: parseRecipe(text, file), file });
}

test('scorers that load and take their settings are no problem', async () => {
  const files = { 'house.ts': sound, 'theirs.py': 'def compute_score(**given):\n    return 1\n' };
  expect(await problemsOf(files, '{ house: { weight: 1, most: 2 }, theirs: 1 }')).toEqual([]);
});

test('P9: what a scorer throws when it is loaded, and settings that it refuses, are reported before the run starts', async () => {
  const files = {
    'house.ts': sound,
    'broken.ts': `throw new Error('no table of weights');`,
    'theirs.py': 'import no_such_module_anywhere\n',
  };
  const problems = await problemsOf(files, '{ house: { weight: 1, mots: 2 }, broken: 1, theirs: 1 }');
  expect(problems.toSorted()).toEqual([
    expect.stringMatching(/^rewards\.house of stage only: .*most.*mots/s),
    expect.stringMatching(/^scorers\.broken: \/.*broken\.ts cannot be used: .*no table of weights/s),
    expect.stringMatching(/^scorers\.theirs: \/.*theirs\.py cannot be used: .*no_such_module_anywhere/s),
  ]);
});
