import { TerminalError } from '#platform/errors.ts';
import { groupwiseScorers, isCustom, taskScorers } from '#recipe/stage-scorers.ts';
import { rolloutStages } from '#stages/kit/rollout-stages.ts';
import type { Recipe } from '#recipe/schema.ts';
import type { TrainingStage } from '#stages/kit/training-fields.ts';
import type { RunContext } from '../run-context.ts';
import type { ScoreGroup } from './background-scoring.ts';
import type { RewardClient } from './score-with-retries.ts';

const describeTimeoutMs = 30_000;

/** What a coordinator without a reward service says to what needs one. */
export function noRewardService(what: string): string {
  return `${what}, and this coordinator has no reward service: start it with --reward HOST:PORT (GRADUS_REWARD)`;
}

/**
 * Whether the scorers that a recipe declares can be had, with the settings that its stages give them; nothing for a recipe without. Throws
 * TerminalError('failed_precondition') naming what is missing or refused; `ask: false` looks no further than whether there is a service.
 */
export async function checkRewardService(
  recipe: Pick<Recipe, 'environment' | 'scorers' | 'stages'>,
  client: Pick<RewardClient, 'describe'> | undefined,
  ask: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { scorers = {} } = recipe;
  const declared = Object.entries(scorers);
  if (declared.length === 0) return;
  if (client === undefined)
    throw new TerminalError(
      'failed_precondition',
      noRewardService(`the recipe declares scorers (${declared.map(([name]) => name).join(', ')})`),
    );
  if (!ask) return;
  const settings = rolloutStages(recipe).flatMap((stage) =>
    taskScorers(recipe, stage).flatMap((reward) => (isCustom(scorers[reward.name]) ? [{ stage, reward }] : [])),
  );
  const { judges, custom, settingsProblems } = await client.describe(
    { customSettings: settings.map(({ reward }) => reward) },
    { signal, timeoutMs: describeTimeoutMs },
  );
  const known = { judges: judges.map(({ name }) => name), custom: custom.map(({ name }) => name) };
  const missing = declared.flatMap(([name, scorer]) => {
    if (isCustom(scorer)) return known.custom.includes(name) ? [] : [`scorers.${name} (${scorer.kind})`];
    return known.judges.includes(scorer.judge) ? [] : [`judge ${scorer.judge} of scorers.${name}`];
  });
  if (missing.length > 0) {
    const has =
      [...known.judges.map((name) => `judge ${name}`), ...known.custom].join(', ') || 'no judges and no custom scorers';
    throw new TerminalError(
      'failed_precondition',
      `the reward service does not have ${missing.join(', ')}; it has ${has}: start it with the recipe's judges and scorers in its config`,
    );
  }
  const refused = settings.flatMap(({ stage, reward }, index) => {
    const problem = settingsProblems[index];
    return problem === undefined ? [] : [`rewards.${reward.name} of stage ${stage.name}: ${problem}`];
  });
  if (refused.length > 0)
    throw new TerminalError('failed_precondition', `scorers refuse their settings: ${refused.join('; ')}`);
}

/** What compares the samples of a group of the stage; undefined where nothing does. Throws failed_precondition without a reward service. */
export function groupScorer({ recipe, groupwise }: RunContext, stage: TrainingStage): ScoreGroup | undefined {
  if (groupwiseScorers(recipe, stage).length === 0) return undefined;
  if (groupwise === undefined)
    throw new TerminalError('failed_precondition', noRewardService(`stage ${stage.name} compares samples`));
  return (group, signal, onWait) => groupwise.score(stage, group, signal, onWait);
}
