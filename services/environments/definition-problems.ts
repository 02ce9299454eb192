import { rewardMetric } from '#rewards/metric-names.ts';
import { scorerNames } from '#rewards/scorer-catalogue.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import type { EnvironmentDefinition } from './kit/environment.ts';

type Declared = Pick<EnvironmentDefinition, 'primaryMetric' | 'scorers' | 'rewards' | 'roles' | 'tags'> & {
  readonly rewardsOf?: unknown;
};

/** Evaluations have every metric once more for each of up to 32 values of a tag. */
const mostTags = 8;
/** A step has metrics for each. */
const mostRoles = 8;

/** What names that a definition declares cannot be, each with field, value and what to do. */
export function definitionProblems({ primaryMetric, scorers, rewards, roles, tags, rewardsOf }: Declared): string[] {
  const problems: string[] = [];
  const refuse = (field: string, name: string, what: string, known: readonly string[]): void => {
    const meant = suggest(name, known);
    problems.push(
      `${field}: '${name}' ${what}; ${meant === undefined ? `there are: ${known.join(', ')}` : `did you mean ${meant}?`}`,
    );
  };
  for (const name of scorers)
    if (!scorerNames.includes(name)) refuse('scorers', name, 'is not a built-in scorer', scorerNames);
  for (const name of rewards)
    if (scorerNames.includes(name))
      problems.push(`rewards: '${name}' is the name of a built-in scorer; give it another one`);
  const known = [...scorers, ...rewards, rewardMetric];
  // Rewards that the options name are known with them alone.
  if (rewardsOf === undefined && !known.includes(primaryMetric))
    refuse('primaryMetric', primaryMetric, 'is nothing that its rollouts have', known);
  if (tags.length > mostTags)
    problems.push(`tags: ${tags.length} of them; at most ${mostTags}: every value of each has metrics of its own`);
  for (const tag of tags)
    if (!/^[a-z][a-z0-9_]{0,63}$/.test(tag))
      problems.push(`tags: '${tag}' must be lower case, digits and _, at most 64, as tags of rows are`);
  if (roles.length === 1 || roles.length > mostRoles)
    problems.push(`roles: ${roles.length} of them; an environment has 2 to ${mostRoles}, or none`);
  for (const [at, role] of roles.entries()) {
    if (!/^[a-z][a-z0-9_]{0,31}$/.test(role))
      problems.push(`roles: '${role}' must be lower case, digits and _, at most 32`);
    if (roles.indexOf(role) !== at) problems.push(`roles: '${role}' is there twice`);
  }
  return problems;
}
