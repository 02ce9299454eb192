import { z } from 'zod';
import { locateRewardFiles } from '#recipe/resolve-recipe.ts';
import { isCustom, taskScorers } from '#recipe/stage-scorers.ts';
import { rolloutStages } from '#stages/kit/rollout-stages.ts';
import { rewardConfigOf } from '#fleet/reward-plan.ts';
import { askProgram } from '../process/ask-program.ts';
import { pythonProgram } from '#platform/repository.ts';
import { isReadable } from './is-readable.ts';
import type { LoadedRecipe } from './prepare-inputs.ts';

const answerSchema = z.strictObject({
  scorers: z.record(z.string(), z.string()),
  settings: z.record(z.string(), z.string()),
});

/** In addition to the longest time in which a scorer may load, for starting the process and asking about settings. */
const besidesLoadingMs = 60_000;

/** Loads the recipe's own scorers as the reward service does: why they do not load, and what they refuse of their settings. */
export async function scorerProblems({ recipe, file }: Pick<LoadedRecipe, 'recipe' | 'file'>): Promise<string[]> {
  const paths = locateRewardFiles(recipe, file);
  const declared: [string, NonNullable<typeof recipe.scorers>[string]][] = [];
  for (const [name, scorer] of Object.entries(recipe.scorers ?? {})) {
    const path = paths.scorers?.[name];
    // A file that is missing is reported with the other files.
    if (isCustom(scorer) && (path === undefined || (await isReadable(path)))) declared.push([name, scorer]);
  }
  if (declared.length === 0) return [];
  const scorers = Object.fromEntries(declared);
  const settings = rolloutStages(recipe).flatMap((stage) =>
    taskScorers(recipe, stage).flatMap(({ name, settingsJson = '' }) =>
      Object.hasOwn(scorers, name) ? [{ stage: stage.name, name, settingsJson }] : [],
    ),
  );
  const loadingMs = declared.map(([, scorer]) => ('start_timeout_ms' in scorer ? scorer.start_timeout_ms : 0));
  const found = await askProgram({
    entry: 'services/reward/check/main.ts',
    args: [],
    input: Buffer.from(
      JSON.stringify({
        scorers: rewardConfigOf({ judges: undefined, scorers }, paths)['scorers'],
        python: pythonProgram,
        settings: settings.map(({ name, settingsJson }) => ({ name, settingsJson })),
      }),
    ),
    answer: answerSchema,
    timeoutMs: Math.max(...loadingMs) + besidesLoadingMs,
    failure: 'the scorers cannot be checked',
    signal: new AbortController().signal,
  });
  return [
    ...Object.values(found.scorers),
    ...Object.entries(found.settings).map(([index, problem]) => {
      const { stage = '', name = '' } = settings[Number(index)] ?? {};
      return `rewards.${name} of stage ${stage}: ${problem}`;
    }),
  ];
}
