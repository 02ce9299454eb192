import { TerminalError } from '#platform/errors.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import { readApiKey } from '#endpoint/api-key.ts';
import { createJudge, type Judge } from './judge.ts';
import type { JudgeSettings } from '#rewards/judge-settings.ts';

export interface Judges {
  /** In the order of their names. */
  readonly all: readonly Judge[];
  /** `TerminalError` invalid_argument, with `where` in front, when there is no such judge. */
  get(name: string, where: string): Judge;
  close(): void;
}

/** Every judge of the config. Their keys are read now, so that a missing one is known at the start. */
export function createJudges(
  settings: Readonly<Record<string, JudgeSettings>>,
  { log, metrics }: Pick<ServiceContext, 'log' | 'metrics'>,
  environment: NodeJS.ProcessEnv,
): Judges {
  const judges = new Map(
    Object.entries(settings)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, one]) => [
        name,
        createJudge(name, one, { log, metrics, apiKey: readApiKey(name, one, environment) }),
      ]),
  );
  return {
    all: [...judges.values()],
    close() {
      for (const judge of judges.values()) judge.close();
    },
    get(name, where) {
      const judge = judges.get(name);
      if (judge !== undefined) return judge;
      const near = suggest(name, judges.keys());
      const known =
        judges.size === 0
          ? "the reward service's config has none; add it under 'judges'"
          : `known: ${[...judges.keys()].join(', ')}`;
      throw new TerminalError(
        'invalid_argument',
        `${where}: no judge is named ${JSON.stringify(name)}; ${near === undefined ? known : `did you mean '${near}'?`}`,
      );
    },
  };
}
