import { sleep } from '#platform/async/sleep.ts';
import { errorFrom } from '#platform/errors.ts';
import type { WorkerStatus } from '#proto/rollout/v1/worker_pb.ts';
import type { Gathering } from '../groups/gathering.ts';
import type { GroupCollector } from '../groups/group-collector.ts';
import type { Sample } from '../groups/group.ts';
import type { RunContext } from '../run-context.ts';

export interface LostTaskOptions {
  /** Undefined when they cannot be read at the moment. */
  workers(signal: AbortSignal): Promise<readonly WorkerStatus[] | undefined>;
}

export interface WatchedRun extends Pick<RunContext, 'now'> {
  readonly progress: {
    readonly current: { gatherings(): Iterable<Pick<Gathering, 'collector'>> };
    update(change: { readonly message: string }): void;
  };
  readonly publisher: Pick<RunContext['publisher'], 'queued' | 'outstanding'>;
  readonly intake: Pick<RunContext['intake'], 'isRead'>;
  readonly events: Pick<RunContext['events'], 'tasksLost'>;
  readonly log: Pick<RunContext['log'], 'warn' | 'debug'>;
}

interface OpenSample {
  readonly collector: GroupCollector;
  readonly sample: Sample;
}

const lookIntervalMs = 2_000;
/** A task may be without a holder for a moment only: a result is stored before its task leaves the queue. */
const lostMs = 10_000;
const longestPauseMs = 300_000;

/** Looks every two seconds, and passes over what cannot be read at the moment. */
export async function watchLostTasks(
  context: WatchedRun,
  options: LostTaskOptions,
  signal: AbortSignal,
): Promise<void> {
  const search = createLostTaskSearch(context, options);
  while (!signal.aborted) {
    try {
      await search.look(signal);
    } catch (thrown) {
      search.forget();
      if (!signal.aborted) context.log.debug({ err: errorFrom(thrown) }, 'the task queue cannot be read at the moment');
    }
    await sleep(lookIntervalMs, signal).catch(() => undefined);
  }
}

/**
 * Hands out again what nobody can answer any more: a sample whose task is neither in the queue nor in the hands of a worker, and
 * has no result that is still unread, for longer than 10 s (P10). It is the next attempt of the same task, at no cost to the recipe's attempts; whichever result comes first
 * counts, once (P1). What is in the queue is left there, however long it waits: workers may be busy.
 *
 *     published --not queued, held by no worker, twice in a row, for 10 s--> published again --10 s, 20 s, 40 s ..--> again
 */
export function createLostTaskSearch(context: WatchedRun, options: LostTaskOptions) {
  /** Found missing by the look before. */
  let suspected: ReadonlySet<string> = new Set();
  let openBefore = '';
  let stillSinceMs = context.now();
  let lookedMs = -Infinity;
  const handedOut = new Map<string, { readonly times: number; readonly untilMs: number }>();

  async function look(signal: AbortSignal): Promise<void> {
    const open = openSamples(context);
    for (const taskId of handedOut.keys()) if (!open.has(taskId)) handedOut.delete(taskId);
    const ids = [...open].map(([taskId, { sample }]) => `${taskId}:${sample.attempt}`).join(' ');
    if (ids !== openBefore) stillSinceMs = context.now();
    openBefore = ids;
    const nowMs = context.now();
    const late = [...open].filter(
      ([taskId, { sample }]) =>
        nowMs - (sample.publishedMs ?? Infinity) >= lostMs && nowMs >= (handedOut.get(taskId)?.untilMs ?? -Infinity),
    );
    // While results come in, the queue is read only where something must be missing from it.
    const isStill = nowMs - stillSinceMs >= lostMs && nowMs - lookedMs >= lostMs;
    const mayMiss =
      late.length > 0 && (isStill || suspected.size > 0 || (await context.publisher.queued(signal)) < open.size);
    if (!mayMiss) return;
    lookedMs = nowMs;
    const queued = await context.publisher.outstanding(signal);
    const workers = await options.workers(signal);
    if (workers === undefined) return;
    const held = new Set(workers.flatMap(({ waits }) => waits.map(({ taskId }) => taskId)));
    const missing = late.filter(([taskId]) => !queued.has(taskId) && !held.has(taskId));
    const lost = missing.filter(([taskId]) => suspected.has(taskId));
    suspected = new Set(missing.map(([taskId]) => taskId));
    // Whose result is stored leaves the queue too, and is open until the results are read so far.
    if (lost.length > 0 && (await context.intake.isRead(signal))) handOutAgain(lost, workers.length);
  }

  function handOutAgain(lost: readonly (readonly [string, OpenSample])[], workers: number): void {
    const nowMs = context.now();
    for (const [taskId, { collector, sample }] of lost) {
      const times = (handedOut.get(taskId)?.times ?? 0) + 1;
      handedOut.set(taskId, { times, untilMs: nowMs + Math.min(longestPauseMs, lostMs * 2 ** times) });
      collector.skipAttempt(sample, nowMs);
    }
    context.events.tasksLost(lost.length);
    const tasks = lost.slice(0, 8).map(([taskId]) => taskId);
    const message = `${lost.length} samples were neither in the task queue nor held by one of ${workers} workers; they are handed out again`;
    context.log.warn({ lost: lost.length, tasks }, message);
    context.progress.update({ message });
  }

  return {
    look,
    /** What was suspected has to be found missing twice anew. */
    forget() {
      suspected = new Set();
    },
  };
}

/** What is published and unanswered, by task. */
function openSamples({ progress }: WatchedRun): Map<string, OpenSample> {
  const open = new Map<string, OpenSample>();
  for (const { collector } of progress.current.gatherings())
    for (const group of collector.groups) {
      if (group.settledAtMs !== undefined) continue;
      for (const sample of group.samples) if (sample.state === 'open') open.set(sample.taskId, { collector, sample });
    }
  return open;
}
