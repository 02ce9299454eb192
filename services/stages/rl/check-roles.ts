import type { RecipeIssue } from '#recipe/check-recipe.ts';
import { environmentRoles, isUnloaded } from '#recipe/environment-part.ts';
import type { Recipe } from '#recipe/schema.ts';
import { groupwiseScorers, recordedComponents } from '#recipe/stage-scorers.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import { checkRecorded } from '../kit/check.ts';
import type { RlStage } from './schema.ts';

/** What a stage says of its environment's roles. */
export function checkRoles(stage: RlStage, recipe: Recipe): RecipeIssue[] {
  // What a file of its own declares was checked where the file is.
  if (isUnloaded(recipe)) return [];
  const declared = environmentRoles(recipe);
  const roles = stage.roles ?? {};
  const issues: RecipeIssue[] = [];
  const { name: environment } = recipe.environment;
  const has = declared.length === 0 ? 'has no roles' : `has ${declared.join(', ')}`;
  for (const [name, { rewards }] of Object.entries(roles)) {
    const path = ['roles', name];
    if (!declared.includes(name)) {
      const meant = suggest(name, declared);
      const help = meant === undefined ? '' : `; did you mean ${meant}?`;
      issues.push({ path, message: `is not a role of environment ${environment}, which ${has}${help}` });
      continue;
    }
    if (rewards === undefined) continue;
    const recorded = recordedComponents(recipe, stage);
    for (const component of Object.keys(rewards))
      issues.push(...checkRecorded(component, recorded, [...path, 'rewards', component]));
    if (!Object.values(rewards).some((weight) => weight > 0))
      issues.push({
        path: [...path, 'rewards'],
        message: 'needs a weight above 0; leave it out for the rewards of the stage',
      });
  }
  if (declared.length === 0) return issues;
  if (declared.every((name) => roles[name]?.train === false))
    issues.push({
      path: ['roles'],
      message: 'have train: false, all of them: there is nothing to learn; train at least one',
    });
  if (stage.algorithm.dynamic_sampling_by !== undefined)
    issues.push({
      path: ['algorithm', 'dynamic_sampling_by'],
      message: 'is not supported with roles: each looks at its own reward; leave it out',
      value: stage.algorithm.dynamic_sampling_by,
    });
  for (const { name } of groupwiseScorers(recipe, stage))
    issues.push({
      path: ['rewards', name],
      message: `compares the samples of a group, which is not supported with roles (environment ${environment} ${has}); use a scorer of one rollout`,
    });
  return issues;
}
