import { sleep } from '#platform/async/sleep.ts';
import { withExtractedTrace, withSpan } from '#platform/telemetry/tracing.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { pullTasks, type TaskMessage } from '#platform/nats/messages.ts';
import type { RolloutEvents } from '../events.ts';

export interface WorkerOptions {
  readonly concurrency: number;
  /** At most `concurrency`; asked again as tasks end. */
  readonly concurrencyNow: () => number;
  readonly maxDeliveries: number;
  readonly events: RolloutEvents;
  /** Runs one delivery to its settlement; the signal says that there is no time left. */
  readonly handle: (message: TaskMessage, signal: AbortSignal) => Promise<void>;
  readonly onExhausted: (message: TaskMessage, reason: string) => Promise<void>;
}

export interface Worker {
  /** Ends when nothing is pulled any more; rejects when the queue cannot be read. */
  readonly pulling: Promise<void>;
  readonly held: number;
  /** Stops pulling, lets what is held finish for at most `withinMs`, then hands the rest back to the queue. */
  drain(withinMs: number): Promise<void>;
}

/** Time left, after the drain's grace, to report to the queue which tasks come back. */
const HAND_BACK_MS = 2_000;

/**
 *   pulling --drain()--> finishing --(all settled)--> stopped
 *                           '--(grace is over)--> handing back --> stopped
 */
export function startWorker(nats: Nats, options: WorkerOptions): Worker {
  const { events } = options;
  const stopPulling = new AbortController();
  const outOfTime = new AbortController();
  const held = new Map<TaskMessage, Promise<void>>();

  async function settle(message: TaskMessage): Promise<void> {
    try {
      await withExtractedTrace(message.headers, () =>
        withSpan('gradus.rollout', {}, () => options.handle(message, outOfTime.signal)),
      );
    } catch (thrown) {
      events.handlerFailed(message.sequence, thrown);
      // Refused when it was settled already; otherwise the queue hears at once instead of after its own wait.
      await message.nak(1_000).catch(() => undefined);
    }
  }

  async function pull(): Promise<void> {
    const tasks = pullTasks(nats, {
      signal: stopPulling.signal,
      maxInFlight: options.concurrency,
      limitNow: options.concurrencyNow,
      maxDeliveries: options.maxDeliveries,
      onExhausted: options.onExhausted,
    });
    for await (const message of tasks) {
      const settled = settle(message).finally(() => {
        held.delete(message);
        events.tasksHeld(held.size);
      });
      held.set(message, settled);
      events.tasksHeld(held.size);
    }
  }

  const allSettled = async (): Promise<void> => void (await Promise.allSettled(held.values()));
  const pulling = pull();

  return {
    pulling,
    get held() {
      return held.size;
    },
    async drain(withinMs) {
      stopPulling.abort();
      const timer = new AbortController();
      const graceMs = Math.max(0, withinMs - HAND_BACK_MS);
      // A queue that could not be read was reported through `pulling`; what is held is settled all the same.
      const finished = pulling.catch(() => undefined).then(allSettled);
      await Promise.race([finished, sleep(graceMs, timer.signal).catch(() => undefined)]);
      timer.abort();
      outOfTime.abort();
      await finished;
    },
  };
}
