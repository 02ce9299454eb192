import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { architectureProblems } from './architecture-problems.ts';
import { loadRecipe } from './prepare-inputs.ts';

test('where there is no Python, as in the image of services, a model is not refused, and a note says what is not checked', async () => {
  const loaded = await loadRecipe(join(repositoryRoot, 'recipes/demo.yaml'));
  const absent = join(await temporaryDirectory('gradus-no-python-'), 'python');
  expect(await architectureProblems(loaded, true, absent)).toEqual({
    problems: [],
    notes: [expect.stringMatching(`model.path: .* is not checked here, where ${absent} is missing`)],
  });
});
