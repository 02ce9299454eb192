import { throwIfCancelled } from '#platform/errors.ts';
import type { Gathering } from './gathering.ts';
import type { RunContext } from '../run-context.ts';

/** What it takes of a run. */
export interface RestoredRun extends Pick<RunContext, 'now'> {
  readonly publisher: Pick<RunContext['publisher'], 'outstanding'>;
  readonly intake: Pick<RunContext['intake'], 'position' | 'newest' | 'next'>;
  readonly events: Pick<RunContext['events'], 'resultReceived'>;
  readonly ledger: { readonly state: Pick<RunContext['ledger']['state'], 'groups'> };
}

export type Restorable = Pick<Gathering, 'restoring' | 'readAgain' | 'collector' | 'groups' | 'failures'>;

/** Longest sleep while results are read again. */
const longestWaitMs = 10_000;

/**
 * Groups of the ledger go on where they were: what has a result keeps it, what waits in the queue is waited for, and only
 * what has neither is asked again. All gatherings at once, since the results of the run are read once.
 */
export async function restoreGatherings(
  context: RestoredRun,
  gatherings: readonly Restorable[],
  signal: AbortSignal,
): Promise<void> {
  const restoring = gatherings.filter((gathering) => gathering.restoring);
  if (restoring.length === 0) return;
  // The queue first, then the results: a task that left the queue has left its result before.
  const outstanding = await context.publisher.outstanding(signal);
  let newest = await context.intake.newest(signal);
  while (context.intake.position < newest) {
    const result = await context.intake.next(longestWaitMs, signal);
    if (result === undefined) {
      // None comes any more when their stream was deleted meanwhile, and made again.
      throwIfCancelled(signal);
      newest = Math.min(newest, await context.intake.newest(signal));
      continue;
    }
    for (const gathering of restoring) {
      const reception = gathering.readAgain(result);
      if (reception === 'unknown') continue;
      context.events.resultReceived(reception);
      break;
    }
  }
  for (const gathering of restoring) {
    takeOver(context, gathering, outstanding);
    gathering.failures?.begin(gathering.groups);
  }
}

function takeOver(context: RestoredRun, { collector }: Restorable, outstanding: ReadonlyMap<string, number>): void {
  const nowMs = context.now();
  for (const group of collector.groups) {
    const closed = context.ledger.state.groups.get(group.plan.groupId)?.closed;
    if (closed !== undefined) {
      collector.close(group, closed, nowMs);
      continue;
    }
    for (const sample of group.samples) {
      if (sample.state === 'done') continue;
      // Asked anew, with the whole budget: what failed before may have been fixed.
      const queued = outstanding.get(sample.taskId);
      const inQueue = queued !== undefined && queued >= sample.attempt;
      const next = sample.state === 'absent' ? sample.attempt + 1 : sample.attempt;
      sample.state = inQueue ? 'open' : 'waiting';
      sample.attempt = inQueue ? queued : next;
      sample.firstAttempt = sample.attempt;
      sample.publishedMs = inQueue ? nowMs : undefined;
      sample.askAtMs = nowMs;
    }
  }
}
