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

/** It reads small files and headers; for a backend other than our own it imports PyTorch. */
const mostMs = 180_000;

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
  const trains = learner.kind === 'builtin' && needsLearner(recipe);
  if (model === undefined || !(trains || engine.kind === 'builtin') || !(await isReadable(join(model, 'config.json'))))
    return { problems: [], notes: [] };
  try {
    const { lora, backend = 'builtin' } = recipe.model;
    const check = (flags: readonly string[]) =>
      run(program, ['-m', 'gradus_learner.models.check_model', model, ...flags], {
        env: { ...process.env, PYTHONPATH: pythonPath },
        timeout: mostMs,
      });
    if (engine.kind === 'builtin' && backend !== 'builtin') {
      const problem = await saidBy(check(['--without-weights']));
      if (problem !== undefined)
        return {
          problems: [
            `fleet.engine.kind is ${engine.kind}, which cannot serve the model: ${problem.split('\n').join('; ')}; set another kind`,
          ],
          notes: [],
        };
    }
    const flags = [
      ...(weights && recipe.model.weights === undefined ? [] : ['--without-weights']),
      ...(trains ? ['--backend', backend] : []),
      ...(lora === undefined ? [] : ['--lora', JSON.stringify(lora)]),
    ];
    await check(flags);
    return { problems: [], notes: [] };
  } catch (thrown) {
    if (isMissing(thrown)) {
      const note = `model.path: whether learner and engine can load the model is not checked here, where ${program} is missing; they say so when they load it`;
      return { problems: [], notes: [note] };
    }
    const problems = saidIn(thrown)
      .split('\n')
      .map((problem) => (problem.startsWith('lora.') ? `model.${problem}` : `model.path: ${problem}`));
    return { problems, notes: [] };
  }
}

/** What a check that fails says; undefined for one that does not. Throws where there is no program. */
async function saidBy(check: Promise<unknown>): Promise<string | undefined> {
  try {
    await check;
    return undefined;
  } catch (thrown) {
    if (isMissing(thrown)) throw thrown;
    return saidIn(thrown);
  }
}

function saidIn(thrown: unknown): string {
  const { stderr = '', message = '' } = Object(thrown) as { readonly stderr?: string; readonly message?: string };
  return stderr.trim() || `cannot be checked: ${message}`;
}
