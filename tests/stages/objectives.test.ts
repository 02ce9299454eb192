import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { pythonPath, repositoryRoot } from '#platform/repository.ts';
import { actorCritic, policyGradient, preference, supervised } from '#stages/kit/objectives.ts';

const run = promisify(execFile);

const program = `
import dataclasses, json
from gradus_learner.objectives.registry import OBJECTIVES
print(json.dumps({name: {each.name: each.default for each in dataclasses.fields(kind)} for name, kind in OBJECTIVES.items()}))
`;

it('an objective has the same options with the same defaults in a recipe and in the learner', async () => {
  const { stdout } = await run(join(repositoryRoot, '.venv/bin/python'), ['-c', program], {
    env: { ...process.env, PYTHONPATH: pythonPath, OMP_NUM_THREADS: '1' },
  });
  const ofRecipes = [policyGradient, actorCritic, supervised, preference].map(({ name, fields }) => [
    name,
    Object.fromEntries(Object.entries(fields).map(([option, schema]) => [option, schema.parse(undefined)])),
  ]);
  expect(JSON.parse(stdout)).toEqual(Object.fromEntries(ofRecipes));
});
