import { suggest } from '#platform/runtime/suggest.ts';
import { detectorNames } from '#rewards/detector-names.ts';
import { rewardList } from '#rewards/reward-list.ts';
import { scorerNames } from '#rewards/scorer-catalogue.ts';
import { isUnloaded, ownRewards } from './environment-part.ts';
import type { RecipeIssue } from './check-recipe.ts';
import type { RolloutStage } from '#stages/kit/fields.ts';
import type { Recipe } from './schema.ts';
import { customScorers, judgedScorers, recordedComponents } from './stage-scorers.ts';

/** Bounds of the reward service: judged components of an item, settings of a scorer. */
const mostJudged = 8;
const longestSettings = 4096;

/** Rules of a stage's `rewards` and `composition`, and between them and the declared scorers. Paths begin at the stage. */
export function checkStageRewards(recipe: Recipe, stage: RolloutStage): RecipeIssue[] {
  const issues = [...checkNames(recipe, stage), ...checkSettings(recipe, stage), ...checkComposition(recipe, stage)];
  if (!rewardList(stage.rewards).some(({ weight }) => weight > 0)) {
    issues.push({ path: ['rewards'], message: 'needs at least one weight > 0, or every reward is 0' });
  }
  return issues;
}

function checkNames(recipe: Recipe, stage: RolloutStage): RecipeIssue[] {
  if (isUnloaded(recipe)) return [];
  const known = [...scorerNames, ...Object.keys(recipe.scorers ?? {}), ...ownRewards(recipe)];
  return Object.keys(stage.rewards).flatMap((name) => {
    if (name === 'preset' || known.includes(name)) return [];
    const meant = suggest(name, [...known, 'preset']);
    const help = meant === undefined ? `known scorers: ${known.join(', ')}` : `did you mean ${meant}?`;
    return [{ path: ['rewards', name], message: `unknown key; ${help}` }];
  });
}

function checkSettings(recipe: Recipe, stage: RolloutStage): RecipeIssue[] {
  const issues: RecipeIssue[] = [];
  const judged = judgedScorers(recipe, stage);
  if (judged.length > mostJudged) {
    issues.push({
      path: ['rewards'],
      message: `names ${judged.length} scorers that a judge gives; a rollout takes at most ${mostJudged}`,
    });
  }
  const custom = new Set(customScorers(recipe, stage).map(({ name }) => name));
  for (const { name, settingsJson } of rewardList(stage.rewards)) {
    if (custom.has(name) && settingsJson.length > longestSettings) {
      issues.push({
        path: ['rewards', name],
        message: `its settings are ${settingsJson.length} characters of JSON; at most ${longestSettings}`,
      });
    }
    if (Object.hasOwn(recipe.scorers ?? {}, name) && !custom.has(name) && settingsJson !== '') {
      issues.push({
        path: ['rewards', name],
        message: `takes a weight alone; its other settings are in scorers.${name}`,
        value: stage.rewards[name],
      });
    }
  }
  for (const { name, scorer } of customScorers(recipe, stage)) {
    if (scorer.timeout_ms < stage.limits.rollout_timeout_ms) continue;
    issues.push({
      path: ['rewards', name],
      message: `scorers.${name}.timeout_ms (${scorer.timeout_ms}) must be less than limits.rollout_timeout_ms (${stage.limits.rollout_timeout_ms})`,
    });
  }
  return issues;
}

function checkComposition(recipe: Recipe, stage: RolloutStage): RecipeIssue[] {
  const { rewards, composition, limits } = stage;
  if (composition === undefined) return [];
  const issues: RecipeIssue[] = [];
  const { penalties, gates, clip, overlong } = composition;
  // A stage records nothing else.
  const named = rewardList(rewards).map(({ name }) => name);
  const recorded = new Set<string>([...recordedComponents(recipe, stage), ...named, ...detectorNames]);
  const checkRead = (path: RecipeIssue['path'], name: string): void => {
    if (recorded.has(name) || isUnloaded(recipe)) return;
    const meant = suggest(name, recorded);
    const help = meant === undefined ? `recorded: ${[...recorded].join(', ')}` : `did you mean ${meant}?`;
    const weigh = scorerNames.includes(name) ? '; name it in rewards, weight 0 records it' : '';
    issues.push({ path, message: `is nothing that this stage records${weigh}; ${help}`, value: name });
  };
  for (const name of Object.keys(penalties)) checkRead(['composition', 'penalties', name], name);
  for (const [index, { name, at_least: least, at_most: most }] of gates.entries()) {
    const path = ['composition', 'gates', index] as const;
    checkRead([...path, 'name'], name);
    if (least === undefined && most === undefined) {
      issues.push({ path, message: 'needs at_least, at_most or both' });
    } else if (least !== undefined && most !== undefined && least > most) {
      issues.push({ path: [...path, 'at_least'], message: `must be at most at_most (${most})`, value: least });
    }
  }
  if (clip?.low !== undefined && clip.high !== undefined && clip.low > clip.high) {
    issues.push({
      path: ['composition', 'clip', 'low'],
      message: `must be at most high (${clip.high})`,
      value: clip.low,
    });
  }
  const mostTokens = overlong?.max_tokens ?? limits.context_tokens;
  if (overlong !== undefined && overlong.buffer_tokens > mostTokens) {
    issues.push({
      path: ['composition', 'overlong', 'buffer_tokens'],
      message: `must be at most max_tokens (${mostTokens})`,
      value: overlong.buffer_tokens,
    });
  }
  return issues;
}
