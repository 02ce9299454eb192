import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { userFile } from '../../environments/tools/tools-under-test.ts';
import { environmentProblems } from './environment-problems.ts';

const adder = `
import { tools, z } from 'gradus/tools';
export default tools({ add: { description: 'Adds.', input: z.strictObject({ a: z.number() }), run: ({ a }) => a } });
`;

/** Problems of a recipe that lies in a folder with the file `adder.ts`. */
async function problemsOf(environment: string, file = adder): Promise<string[]> {
  const folder = dirname(userFile('adder.ts', file));
  const path = join(folder, 'recipe.yaml');
  const text = `
name: checked
model: { path: ./model }
data: { world: {} }
environment: ${environment}
fleet: { workers: 1, engines: 1 }
stages:
  - { name: only, kind: eval, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { exact_match: 1 } }
`;
  await writeFile(path, text);
  return await environmentProblems({ recipe: parseRecipe(text, path), file: path }, process.env);
}

it('opens the environment as a worker does, with paths from the folder of the recipe', async () => {
  expect(await problemsOf('{ name: tools, options: { files: [{ path: adder.ts }] } }')).toEqual([]);
});

it.each([
  ['{ name: tools, options: { files: [{ path: other.ts }] } }', adder, /other\.ts/],
  [
    '{ name: tools, options: { files: [{ path: adder.ts }] } }',
    `import 'no-such-package-anywhere';`,
    /^environment: server 'adder' could not be used: .*no-such-package-anywhere/s,
  ],
  [
    '{ name: tools, options: { servers: [{ name: gone, command: [./gone.sh] }] } }',
    adder,
    /^environment: server 'gone': there is no program '\.\/gone\.sh' at \/.*gradus-tools-.*\/gone\.sh$/,
  ],
  [
    '{ name: tools, options: { files: [{ path: adder.ts }], allow: [ad] } }',
    adder,
    /^environment: environment\.options\.allow: no server has a tool 'ad'; did you mean add\?$/,
  ],
])('reports before the run starts what keeps %s from working', async (environment, file, problem) => {
  expect(await problemsOf(environment, file)).toEqual([expect.stringMatching(problem)]);
});

it('leaves an environment that needs services of the fleet to the fleet', async () => {
  expect(await problemsOf('{ name: search }')).toEqual([]);
});
