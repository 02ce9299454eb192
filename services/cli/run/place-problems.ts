import { TerminalError } from '#platform/errors.ts';
import type { LoadedRecipe } from './prepare-inputs.ts';

/** Where a problem of a recipe is corrected when the recipe was made from a command's options. */
export interface ProblemSource {
  /** In front of problems that come from no option: the command, or the recipe's file. */
  readonly name: string;
  /** By field: the option that gave it. */
  readonly options: Readonly<Record<string, string>>;
}

/** One error of problems that each begin with a field, in front of them the file, or the option that gave the field. */
export function inputError(
  { file, source }: Pick<LoadedRecipe, 'file' | 'source'>,
  problems: readonly string[],
): TerminalError {
  const text =
    source === undefined
      ? `${file}: ${problems.join('; ')}`
      : problems.map((problem) => atOption(problem, source)).join('; ');
  return new TerminalError('invalid_argument', text);
}

function atOption(problem: string, { name, options }: ProblemSource): string {
  const found = Object.entries(options).find(([field]) => problem.startsWith(`${field}: `));
  return found === undefined ? `${name}: ${problem}` : `${found[1]}${problem.slice(found[0].length)}`;
}
