import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import type { CustomScorerSettings } from '#rewards/custom-scorer-settings.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { createUserCodeHost } from '#user-code/user-code-host.ts';
import { startCustomScorer, type CustomScorer } from './custom-scorer.ts';
import { createHttpScorer } from './http-scorer.ts';
import { startProcessScorer } from './process-scorer.ts';

/** In the order of their names. */
export type CustomScorers = ReadonlyMap<string, CustomScorer>;

/**
 * Every scorer of the config, loaded side by side; disposed of with the service. `TerminalError` failed_precondition for a file that cannot be
 * used or a key that is not there.
 */
export async function startCustomScorers(
  {
    scorers: settings,
    python,
  }: { readonly scorers: Readonly<Record<string, CustomScorerSettings>>; readonly python: string },
  ctx: Pick<ServiceContext, 'log' | 'metrics' | 'signal' | 'defer'>,
  environment: NodeJS.ProcessEnv,
): Promise<CustomScorers> {
  if (Object.keys(settings).length === 0) return new Map();
  const userCode = createUserCodeHost(ctx, environment);
  const named = Object.entries(settings).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const started = await mapConcurrent(named, named.length, async ([name, one]) => {
    const scorer = await startCustomScorer(name, one, ctx, async (onRestart) =>
      one.kind === 'http'
        ? createHttpScorer(name, one, { log: ctx.log, environment })
        : await startProcessScorer(name, one, { ...ctx, ...(await userCode()), python, onRestart }),
    );
    ctx.defer(`scorer ${name}`, async () => await scorer[Symbol.asyncDispose]());
    return [name, scorer] as const;
  });
  return new Map(started);
}
