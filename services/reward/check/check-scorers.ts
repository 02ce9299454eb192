import type { ScorerSettings } from '#proto/rollout/v1/task_pb.ts';
import { errorFrom } from '#platform/errors.ts';
import type { CustomScorerSettings } from '#rewards/custom-scorer-settings.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { startCustomScorers } from '../custom/custom-scorers.ts';
import { settingsProblems } from '../custom/settings-problems.ts';

/** What a recipe says of its custom scorers. */
export interface ScorersToCheck {
  readonly scorers: Readonly<Record<string, CustomScorerSettings>>;
  readonly python: string;
  /** What stages give them. */
  readonly settings: readonly Pick<ScorerSettings, 'name' | 'settingsJson'>[];
}

export interface ScorerProblems {
  /** By name: why a scorer cannot be loaded. */
  readonly scorers: Readonly<Record<string, string>>;
  /** By index: what a scorer refuses of its settings. */
  readonly settings: Readonly<Record<number, string>>;
}

/** Loads each scorer as the service does, and gives what keeps it from scoring; scores nothing. */
export async function checkScorers(
  { scorers, python, settings }: ScorersToCheck,
  ctx: Pick<ServiceContext, 'log' | 'metrics' | 'signal' | 'defer'>,
  environment: NodeJS.ProcessEnv,
): Promise<ScorerProblems> {
  const problems: Record<string, string> = {};
  const started = await Promise.all(
    Object.entries(scorers).map(async ([name, one]) => {
      try {
        // One process shows as much as all of them.
        const alone = one.kind === 'http' ? one : { ...one, processes: 1 };
        return [...(await startCustomScorers({ scorers: { [name]: alone }, python }, ctx, environment))];
      } catch (thrown) {
        problems[name] = errorFrom(thrown).message;
        return [];
      }
    }),
  );
  return { scorers: problems, settings: await settingsProblems(settings, new Map(started.flat()), ctx.signal) };
}
