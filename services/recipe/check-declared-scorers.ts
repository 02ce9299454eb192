import { suggest } from '#platform/runtime/suggest.ts';
import { detectorNames } from '#rewards/detector-names.ts';
import { judgeSettings } from '#rewards/judge-settings.ts';
import { reservedNames } from '#rewards/metric-names.ts';
import { scorerNames } from '#rewards/scorer-catalogue.ts';
import type { RecipeIssue } from './check-recipe.ts';
import type { DeclaredScorer } from './reward-parts.ts';
import { camelKeys, snakeCase } from './snake-shape.ts';
import type { Recipe } from './schema.ts';
import { isCustom } from './stage-scorers.ts';

/** The settings of a scripted judge that stands in for nobody. */
const playedAlone = { group_timeout_ms: judgeSettings.shape.groupTimeoutMs.parse(undefined) };

/** Rules of the sections `judges` and `scorers`. */
export function checkDeclaredScorers({
  judges,
  scorers,
  fleet,
}: Pick<Recipe, 'judges' | 'scorers' | 'fleet'>): RecipeIssue[] {
  const played = Object.keys(fleet.scripted_judges).map((name) => [name, playedAlone] as const);
  // Without either, the judges are those of a reward service that runs already.
  const known = judges === undefined && played.length === 0 ? undefined : { ...Object.fromEntries(played), ...judges };
  return [
    ...Object.entries(judges ?? {}).flatMap(([name, judge]) => checkJudge(name, judge)),
    ...Object.entries(scorers ?? {}).flatMap(([name, scorer]) => [
      ...checkName(name),
      ...checkScorer(scorer, known).map((issue) => ({ ...issue, path: ['scorers', name, ...issue.path] })),
    ]),
  ];
}

/** The reward service's own rules between the settings of a judge, in the recipe's spelling. */
function checkJudge(name: string, judge: Readonly<Record<string, unknown>>): RecipeIssue[] {
  const { error } = judgeSettings.safeParse(camelKeys(judge), { reportInput: true });
  return (error?.issues ?? []).map((issue) => ({
    path: ['judges', name, ...issue.path.map((part) => snakeCase(String(part)))],
    message: issue.message.replaceAll(/\b[a-z]+[A-Z]\w*/g, snakeCase),
    value: issue.input,
  }));
}

function checkName(name: string): RecipeIssue[] {
  const taken =
    name === 'preset' || scorerNames.includes(name)
      ? 'a built-in scorer'
      : detectorNames.some((detector) => detector === name)
        ? 'a detector'
        : reservedNames.has(name)
          ? 'a metric'
          : undefined;
  return taken === undefined
    ? []
    : [{ path: ['scorers', name], message: `is the name of ${taken}; give the scorer another one` }];
}

function checkScorer(
  scorer: DeclaredScorer,
  judges: Readonly<Record<string, { readonly group_timeout_ms: number }>> | undefined,
): RecipeIssue[] {
  if (isCustom(scorer)) return [];
  const issues: RecipeIssue[] = [];
  if (judges !== undefined && !Object.hasOwn(judges, scorer.judge)) {
    const names = Object.keys(judges);
    const meant = suggest(scorer.judge, names);
    const help = meant === undefined ? `judges: ${names.join(', ') || 'none'}` : `did you mean ${meant}?`;
    issues.push({ path: ['judge'], message: `is none of \`judges\`; ${help}`, value: scorer.judge });
  }
  if (scorer.kind === 'pairwise' || scorer.kind === 'listwise') {
    const longest = judges?.[scorer.judge]?.group_timeout_ms;
    if (scorer.deadline_ms !== undefined && longest !== undefined && scorer.deadline_ms > longest) {
      issues.push({
        path: ['deadline_ms'],
        message: `must be at most judges.${scorer.judge}.group_timeout_ms (${longest})`,
        value: scorer.deadline_ms,
      });
    }
  }
  if (scorer.kind === 'pairwise') {
    const { schedule, pairs, rounds } = scorer;
    if (schedule === 'budget' && pairs === undefined) {
      issues.push({ path: ['pairs'], message: 'is needed by schedule: budget' });
    }
    if (schedule !== 'budget' && pairs !== undefined) {
      issues.push({ path: ['pairs'], message: `is of schedule: budget; ${schedule} takes none`, value: pairs });
    }
    if (schedule !== 'circular' && schedule !== 'swiss' && rounds !== undefined) {
      issues.push({
        path: ['rounds'],
        message: `is of schedule: circular or swiss; ${schedule} takes none`,
        value: rounds,
      });
    }
  }
  return issues;
}
