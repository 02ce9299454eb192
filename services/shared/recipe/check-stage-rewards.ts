import { suggest } from '#shared/runtime/suggest.ts';
import { detectorNames } from '../rewards/detector-names.ts';
import { rewardList } from '../rewards/reward-list.ts';
import { coreScorers, scorerNames } from '../rewards/scorer-catalogue.ts';
import type { RecipeIssue } from './check-recipe.ts';
import type { GroupwiseScorer } from './reward-parts.ts';
import type { Recipe, StageRecipe } from './schema.ts';
import { customScorers, groupwiseScorers, judgedScorers } from './stage-scorers.ts';

/** Bounds of the reward service: judged components of an item, settings of a scorer, samples of a group. */
const mostJudged = 8;
const longestSettings = 4096;
const mostCompared = 64;

/** Rules of a stage's `rewards` and `composition`, and between them and the declared scorers. Paths begin at the stage. */
export function checkStageRewards(recipe: Recipe, stage: StageRecipe): RecipeIssue[] {
  const issues = [
    ...checkNames(recipe, stage),
    ...checkSettings(recipe, stage),
    ...groupwiseScorers(recipe, stage).flatMap(({ name, scorer }) => checkGroupwise(name, scorer, stage)),
    ...checkPlateau(recipe, stage),
    ...checkComposition(stage),
  ];
  if (!rewardList(stage.rewards).some(({ weight }) => weight > 0)) {
    issues.push({ path: ['rewards'], message: 'needs at least one weight > 0, or every reward is 0' });
  }
  return issues;
}

function checkNames(recipe: Recipe, stage: StageRecipe): RecipeIssue[] {
  const known = [...scorerNames, ...Object.keys(recipe.scorers ?? {})];
  return Object.keys(stage.rewards).flatMap((name) => {
    if (name === 'preset' || known.includes(name)) return [];
    const meant = suggest(name, [...known, 'preset']);
    const help = meant === undefined ? `known scorers: ${known.join(', ')}` : `did you mean ${meant}?`;
    return [{ path: ['rewards', name], message: `unknown key; ${help}` }];
  });
}

function checkSettings(recipe: Recipe, stage: StageRecipe): RecipeIssue[] {
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

function checkGroupwise(name: string, scorer: GroupwiseScorer, { batch, deadlines }: StageRecipe): RecipeIssue[] {
  const { group_size: size } = batch;
  const fail = (message: string): RecipeIssue[] => [{ path: ['rewards', name], message }];
  if (size < 2 || size > mostCompared) {
    return fail(`compares the samples of a group; batch.group_size is ${size} and must be 2 to ${mostCompared}`);
  }
  const issues: RecipeIssue[] = [];
  if (scorer.kind === 'pairwise' && scorer.rounds !== undefined && scorer.rounds > size - 1) {
    issues.push(
      ...fail(`scorers.${name}.rounds (${scorer.rounds}) must be at most batch.group_size - 1 (${size - 1})`),
    );
  }
  const allPairs = (size * (size - 1)) / 2;
  if (scorer.kind === 'pairwise' && scorer.pairs !== undefined && scorer.pairs > allPairs) {
    issues.push(...fail(`scorers.${name}.pairs (${scorer.pairs}): ${size} samples have ${allPairs}`));
  }
  // A sample that meets nobody has no reward, and one that is connected with nobody has one that says nothing.
  if (scorer.kind === 'pairwise' && scorer.pairs !== undefined && scorer.pairs < size - 1) {
    issues.push(
      ...fail(`scorers.${name}.pairs (${scorer.pairs}): at least ${size - 1} connect all ${size} samples of a group`),
    );
  }
  if (scorer.deadline_ms !== undefined && scorer.deadline_ms >= deadlines.step_ms) {
    issues.push(
      ...fail(
        `scorers.${name}.deadline_ms (${scorer.deadline_ms}) must be less than deadlines.step_ms (${deadlines.step_ms})`,
      ),
    );
  }
  return issues;
}

/** The mean of a comparison within each group is 1/2, whatever the policy does. */
function checkPlateau(recipe: Recipe, stage: StageRecipe): RecipeIssue[] {
  if (stage.until.plateau === undefined) return [];
  const groupwise = new Set(groupwiseScorers(recipe, stage).map(({ name }) => name));
  const weighted = rewardList(stage.rewards).filter(({ weight }) => weight > 0);
  if (weighted.length === 0 || weighted.some(({ name }) => !groupwise.has(name))) return [];
  const message = 'watches the mean reward, which comparisons within groups keep where it is; leave it out';
  return [{ path: ['until', 'plateau'], message }];
}

function checkComposition({ rewards, composition }: StageRecipe): RecipeIssue[] {
  if (composition === undefined) return [];
  const issues: RecipeIssue[] = [];
  const { penalties, gates, clip } = composition;
  // A stage records nothing else.
  const recorded = new Set<string>([...coreScorers, ...rewardList(rewards).map(({ name }) => name), ...detectorNames]);
  const checkRead = (path: RecipeIssue['path'], name: string): void => {
    if (recorded.has(name)) return;
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
  return issues;
}
