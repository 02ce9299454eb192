import { resolve } from 'node:path';
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
  /** For people: what of a judge was left behind. */
  readonly notes: readonly string[];
}

type Judges = NonNullable<Recipe['judges']>;

/** What is meant for the server at one address alone: its secrets, and fields that it knows. */
const boundToAddress = ['api_key_env', 'api_key_file', 'extra_body'] as const;

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
  const before = recipe.judges ?? {};
  const changed = (judges: Judges): Judges =>
    checkedJudges(
      applySettings(
        {
          ...recipe,
          judges: { ...judges, ...(replaced && { [replaced.name]: { ...judges[replaced.name], ...replaced.judge } }) },
        },
        settings,
      ).value,
      recipe,
    );
  const { judges: fitting, left } = withoutBound(before, changed(before));
  const judges = changed(fitting);
  const { scripted_judges: scripted, ...fleet } = recipe.fleet;
  return {
    recipe: {
      ...recipe,
      fleet: { ...fleet, scripted_judges: without(scripted, replaced?.name) },
      // Only judges are asked: code of the user's own is not started.
      scorers: Object.fromEntries(Object.entries(recipe.scorers ?? {}).filter(([, scorer]) => !isCustom(scorer))),
      judges,
    },
    paths: { ...paths, judge_keys: keyFiles(before, judges, paths.judge_keys ?? {}) },
    notes: left.flatMap(({ name, fields }) => {
      const lost = fields.filter((field) => judges[name]?.[field] === undefined);
      return lost.length === 0
        ? []
        : [
            `judges.${name}: ${lost.join(' and ')} left out, which ${lost.length === 1 ? 'was' : 'were'} for ${before[name]?.base_url}; give what ${judges[name]?.base_url} needs with --judge-key-env NAME or --set judges.${name}.${lost[0]}=VALUE`,
          ];
    }),
  };
}

/** The judges that stay at their address as they are; of the others what is bound to an address is left, so that no key goes to another host. */
function withoutBound(before: Judges, after: Judges) {
  const left: { readonly name: string; readonly fields: readonly (typeof boundToAddress)[number][] }[] = [];
  const judges = Object.fromEntries(
    Object.entries(before).map(([name, judge]) => {
      if (after[name]?.base_url === judge.base_url) return [name, judge];
      left.push({ name, fields: boundToAddress.filter((field) => judge[field] !== undefined) });
      const { api_key_env: _env, api_key_file: _file, extra_body: _body, ...others } = judge;
      return [name, others];
    }),
  );
  return { judges, left };
}

/** A file of the recipe lies where the run found it; one that an option names, in the folder of the command. */
function keyFiles(before: Judges, after: Judges, found: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(after).flatMap(([name, { api_key_file: file }]) =>
      file === undefined
        ? []
        : [[name, (file === before[name]?.api_key_file ? found[name] : undefined) ?? resolve(file)]],
    ),
  );
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
function checkedJudges(value: unknown, recipe: Recipe): Judges {
  const { judges } = Object(value) as { readonly judges?: unknown };
  const outcome = checkRecipeValue({ ...recipe, judges });
  if (outcome.kind === 'recipe') return outcome.recipe.judges ?? {};
  throw new TerminalError('invalid_argument', outcome.issues.map((issue) => formatIssue(issue)).join('\n'));
}
