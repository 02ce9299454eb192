import { throwIfCancelled } from '#platform/errors.ts';
import { cancelSamples } from './give-up.ts';
import { createGathering } from './gathering.ts';
import { progressOf } from './gather-plan.ts';
import type { GatherPlan, Load } from './gather-plan.ts';
import type { Group } from './group.ts';
import { noGatherings } from '../watches/run-progress.ts';
import { restoreGatherings } from './restore-gatherings.ts';
import type { RunContext } from '../run-context.ts';

/** Longest sleep while results are expected: bounds how late a change of plan is seen. */
export const longestWaitMs = 2_000;

/** Gathers the groups of one plan, with nothing else at the time, in the order of their draws. */
export async function gatherGroups(
  context: RunContext,
  plan: GatherPlan,
  signal: AbortSignal,
): Promise<readonly Group[]> {
  const gathering = createGathering(context, plan);
  const load = (): Load => ({
    openSamples: gathering.collector.openSamples(),
    running: gathering.collector.groups.filter((group) => group.fate === undefined).length,
    accepted: 0,
    version: 0,
  });
  context.progress.update({ gatherings: () => [gathering] });
  try {
    await restoreGatherings(context, [gathering], signal);
    for (;;) {
      throwIfCancelled(signal);
      await gathering.tend(load, signal);
      context.events.series.rolloutsOpen(context.runId, gathering.collector.openSamples());
      context.progress.update(progressOf(plan, gathering.collector.groups));
      if (gathering.finished) return gathering.groups;
      const waitMs = Math.min(longestWaitMs, gathering.wakeAtMs() - context.now());
      const result = await context.intake.next(Math.max(1, waitMs), signal);
      if (result !== undefined) context.events.resultReceived(gathering.accept(result));
    }
  } catch (error) {
    if (context.signal.aborted) await cancelSamples(context, gathering.openSamples(), 'the run is stopped');
    throw error;
  } finally {
    context.progress.update({ gatherings: noGatherings });
  }
}
