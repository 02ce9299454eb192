import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pythonPath, pythonProgram } from '#platform/repository.ts';
import { locateInputs } from '#recipe/resolve-recipe.ts';
import { needsLearner } from '#stages/kit/kinds.ts';
import { isReadable } from './is-readable.ts';
import type { LoadedRecipe } from './prepare-inputs.ts';

const run = promisify(execFile);

/** It reads small files and headers. */
const mostMs = 60_000;

/**
 * Why the learner or the built-in engine cannot load the recipe's model, as they say it, all at once; empty where neither loads it.
 * Without `weights`, those are left out: they are not there yet, or known to be cut.
 */
export async function architectureProblems(
  { recipe, file }: Pick<LoadedRecipe, 'recipe' | 'file'>,
  weights: boolean,
): Promise<string[]> {
  const { model } = locateInputs(recipe, file);
  const { engine, learner } = recipe.fleet;
  const isLoaded = engine.kind === 'builtin' || (learner.kind === 'builtin' && needsLearner(recipe));
  if (model === undefined || !isLoaded || !(await isReadable(join(model, 'config.json')))) return [];
  try {
    const { lora } = recipe.model;
    const flags = [
      ...(weights && recipe.model.weights === undefined ? [] : ['--without-weights']),
      ...(lora === undefined ? [] : ['--lora', JSON.stringify(lora)]),
    ];
    await run(pythonProgram, ['-m', 'gradus_learner.models.check_model', model, ...flags], {
      env: { ...process.env, PYTHONPATH: pythonPath },
      timeout: mostMs,
    });
    return [];
  } catch (thrown) {
    const { stderr = '', message = '' } = Object(thrown) as { readonly stderr?: string; readonly message?: string };
    const said = stderr.trim() || `cannot be checked: ${message}`;
    return said
      .split('\n')
      .map((problem) => (problem.startsWith('lora.') ? `model.${problem}` : `model.path: ${problem}`));
  }
}
