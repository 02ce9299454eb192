import { TerminalError } from '#platform/errors.ts';
import { changedInputs, describeChange } from '#recipe/inputs/changed-inputs.ts';
import { surveyInputs, type SurveyOptions } from '#recipe/inputs/survey-inputs.ts';
import type { RecipePaths, ResolvedRecipe } from '#recipe/resolve-recipe.ts';

/** Throws where a run would stand on files other than those that the services of the fleet read when they started. */
export async function requireLoaded(
  { inputs = [] }: Pick<ResolvedRecipe, 'inputs'>,
  paths: RecipePaths,
  survey: SurveyOptions,
): Promise<void> {
  const changes = changedInputs(inputs, await surveyInputs(paths, survey)).filter(({ name }) =>
    inputs.some((loaded) => loaded.name === name),
  );
  if (changes.length === 0) return;
  throw new TerminalError(
    'failed_precondition',
    ['the fleet was started before these files changed, and holds what it read then; start it again:']
      .concat(changes.map((change) => describeChange(change)))
      .join('\n  '),
  );
}
