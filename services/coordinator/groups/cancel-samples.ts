import { errorFrom } from '#platform/errors.ts';
import { cancelTasks } from '#platform/nats/cancel.ts';
import type { Sample } from './group-collector.ts';
import type { RunContext } from '../run-context.ts';

/**
 * Takes the tasks of samples out of the queue and stops what runs. Nothing depends on it: a task that is missed runs in
 * vain, and its result is redundant. So a failure is told and passed over. Who does not lead the run any more cancels nothing:
 * the next leader waits for these samples.
 */
export async function cancelSamples(
  context: Pick<RunContext, 'nats' | 'runId' | 'log' | 'events' | 'confirmLead'>,
  samples: readonly Pick<Sample, 'taskId' | 'sequence'>[],
  reason: string,
): Promise<void> {
  if (samples.length === 0) return;
  try {
    await context.confirmLead();
    const removed = await cancelTasks(context.nats, context.runId, samples, reason);
    context.log.info({ asked: samples.length, removed, reason }, 'rollouts are cancelled');
  } catch (thrown) {
    context.log.warn({ err: errorFrom(thrown), asked: samples.length, reason }, 'rollouts could not be cancelled');
  }
  context.events.rolloutsCancelled(samples.length);
}
