import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isMissing } from '#platform/files/file-error.ts';
import { pythonPath, pythonProgram } from '#platform/repository.ts';
import { locateInputs } from '#recipe/resolve-recipe.ts';
import { needsLearner } from '#stages/kit/kinds.ts';
import { isReadable } from './is-readable.ts';
import type { LoadedRecipe } from './prepare-inputs.ts';

const run = promisify(execFile);

/** It reads small files and headers. */
const mostMs = 60_000;

/**
 * Why the learner or the built-in engine cannot load the recipe's model, as they say it, all at once; nothing where neither loads it. A note where they cannot be
 * asked here, as in the image of services, which has no Python: they refuse it when they open the run.
 * Without `weights`, those are left out: they are not there yet, or known to be cut.
 */
export async function architectureProblems(
  loaded: Pick<LoadedRecipe, 'recipe' | 'file' | 'fetched'>,
  weights: boolean,
  program = pythonProgram,
): Promise<{ readonly problems: string[]; readonly notes: string[] }> {
  const { recipe } = loaded;
  const { model } = locateInputs(recipe, loaded);
  const { engine, learner } = recipe.fleet;
  const isLoaded = engine.kind === 'builtin' || (learner.kind === 'builtin' && needsLearner(recipe));
  if (model === undefined || !isLoaded || !(await isReadable(join(model, 'config.json'))))
    return { problems: [], notes: [] };
  try {
    const { lora } = recipe.model;
    const flags = [
      ...(weights && recipe.model.weights === undefined ? [] : ['--without-weights']),
      ...(lora === undefined ? [] : ['--lora', JSON.stringify(lora)]),
    ];
    await run(program, ['-m', 'gradus_learner.models.check_model', model, ...flags], {
      env: { ...process.env, PYTHONPATH: pythonPath },
      timeout: mostMs,
    });
    return { problems: [], notes: [] };
  } catch (thrown) {
    if (isMissing(thrown)) {
      const note = `model.path: whether learner and engine can load the model is not checked here, where ${program} is missing; they say so when they load it`;
      return { problems: [], notes: [note] };
    }
    const { stderr = '', message = '' } = Object(thrown) as { readonly stderr?: string; readonly message?: string };
    const said = stderr.trim() || `cannot be checked: ${message}`;
    const problems = said
      .split('\n')
      .map((problem) => (problem.startsWith('lora.') ? `model.${problem}` : `model.path: ${problem}`));
    return { problems, notes: [] };
  }
}
