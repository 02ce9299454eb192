import { TerminalError } from '#platform/errors.ts';
import { checkRecipeValue, formatIssue } from '#recipe/parse-recipe.ts';
import { applySettings, parseSetting } from '#recipe/recipe-settings.ts';
import type { Recipe } from '#recipe/schema.ts';
import type { RewardPaths } from '#recipe/resolve-recipe.ts';
import { isCustom } from '#recipe/stage-scorers.ts';
import type { JudgeOptions } from '../eval/judge-options.ts';
import type { FoundEvaluation } from './find-evaluation.ts';

/** The recipe of an evaluation with the judges that judge again, and the scorers that ask them. */
export interface ChosenJudges<Paths extends RewardPaths = FoundEvaluation['resolved']['paths']> {
  readonly recipe: Recipe;
  readonly paths: Paths;
}

/**
 * Judges as the evaluation had them, or as the options say now: `--judge` and its companions speak of its only judge, `--set` of any. Throws
 * TerminalError for options that say nothing of a judge.
 */
export function chosenJudges(
  { resolved, stages }: FoundEvaluation,
  options: JudgeOptions & { readonly set: readonly string[] },
): ChosenJudges {
  const settings = options.set.map((text) => parseSetting(text));
  const foreign = settings.find(({ parts: [first] }) => first !== 'judges');
  if (foreign !== undefined)
    throw new TerminalError(
      'invalid_argument',
      `--set ${foreign.text}: with --rejudge only judges may change, for example --set judges.main.model=NAME`,
    );
  const names = [...new Set(stages.flatMap(({ judged }) => judged.map(({ scorer }) => scorer.judge)))];
  const replaced = replacedJudge(names, options);
  const { recipe, paths } = resolved;
  const { scripted_judges: scripted, ...fleet } = recipe.fleet;
  const given = {
    ...recipe,
    judges: {
      ...recipe.judges,
      ...(replaced && { [replaced.name]: { ...recipe.judges?.[replaced.name], ...replaced.judge } }),
    },
    fleet: { ...fleet, scripted_judges: without(scripted, replaced?.name) },
    // Only judges are asked: code of the user's own is not started.
    scorers: Object.fromEntries(Object.entries(recipe.scorers ?? {}).filter(([, scorer]) => !isCustom(scorer))),
    stages: recipe.stages,
  };
  const judges = checkedJudges(applySettings(given, settings).value, recipe);
  return {
    recipe: { ...recipe, fleet: given.fleet, scorers: given.scorers, judges },
    paths: { ...paths, judge_keys: without(paths.judge_keys ?? {}, replaced?.name) },
  };
}

function replacedJudge(names: readonly string[], { judge: url, judgeModel: model, judgeKeyEnv: key }: JudgeOptions) {
  if (url === undefined && model === undefined && key === undefined) return undefined;
  const [name, ...others] = names;
  if (name === undefined || others.length > 0)
    throw new TerminalError(
      'invalid_argument',
      `--judge: the evaluation has several judges (${names.join(', ')}); say which one with --set judges.NAME.base_url=URL`,
    );
  const judge = {
    ...(url !== undefined && { base_url: url }),
    ...(model !== undefined && { model }),
    ...(key !== undefined && { api_key_env: key, api_key_file: undefined }),
  };
  return { name, judge };
}

function without<Value>(record: Readonly<Record<string, Value>>, name: string | undefined): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => key !== name));
}

/** The judges of a recipe's value; its other parts have been checked when it ran. */
function checkedJudges(value: unknown, recipe: Recipe): Recipe['judges'] {
  const { judges } = Object(value) as { readonly judges?: unknown };
  const outcome = checkRecipeValue({ ...recipe, judges });
  if (outcome.kind === 'recipe') return outcome.recipe.judges;
  throw new TerminalError('invalid_argument', outcome.issues.map((issue) => formatIssue(issue)).join('\n'));
}
