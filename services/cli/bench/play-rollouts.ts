import { withSpan } from '#platform/telemetry/tracing.ts';
import { rolloutSpan, taskAttributes } from '#trajectory/rollout-span.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import { createSemaphore } from '#platform/async/semaphore.ts';
import { CancelledError, TransientError, errorFrom } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { decodeMessage, tailStream } from '#platform/nats/messages.ts';
import { publishMessage } from '#platform/nats/publish.ts';
import { streams, subjects } from '#platform/nats/streams.ts';
import type { BenchTasks } from './bench-tasks.ts';
import { createTally } from './tally.ts';

export interface PlayOptions {
  readonly nats: Nats;
  readonly runId: string;
  readonly composition: BenchTasks['composition'];
  readonly taskAt: BenchTasks['taskAt'];
  readonly from: number;
  readonly count: number;
  /** Rollouts that are published and unanswered at once: enough that no worker waits for tasks. */
  readonly maxOpen: number;
  /** The bench gives up when no result comes for this long. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
  readonly onResult: (answered: number) => void;
}

export interface Played {
  readonly seconds: number;
  readonly tally: ReturnType<typeof createTally>;
}

/** Publications that wait for the broker's word at once. */
const publishing = 64;

/** Publishes tasks as results come, and waits for all of them. Throws TransientError when they stop coming. */
export async function playRollouts(options: PlayOptions): Promise<Played> {
  const { nats, runId, count } = options;
  const tally = createTally(options.composition);
  const open = createSemaphore(options.maxOpen);
  const places: (() => void)[] = [];
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  const finished = Promise.withResolvers<void>();
  let heardMs = performance.now();

  const watch = setInterval(() => {
    if (performance.now() - heardMs < options.silenceMs) return;
    const missing = `${count - tally.answered} of ${count} rollouts have no result`;
    finished.reject(
      new TransientError(
        'unavailable',
        `${missing}, and no result came for ${options.silenceMs / 1000} s; see the logs`,
      ),
    );
  }, 1_000);
  const onStop = (): void => finished.reject(new CancelledError('cancelled', 'the bench was stopped'));
  options.signal.addEventListener('abort', onStop, { once: true });

  async function collect(startSequence: number): Promise<void> {
    const subject = subjects.result(runId);
    for await (const { data } of tailStream(nats, streams.results, subject, { signal, startSequence })) {
      heardMs = performance.now();
      if (!tally.received(decodeMessage(RolloutResultSchema, data))) continue;
      places.pop()?.();
      options.onResult(tally.answered);
      if (tally.answered === count) finished.resolve();
    }
  }

  async function publish(): Promise<void> {
    const indexes = Array.from({ length: count }, (_, index) => options.from + index).values();
    await mapConcurrent(
      indexes,
      publishing,
      async (index) => {
        places.push(await open.acquire(signal));
        const task = options.taskAt(index);
        tally.asked(task.taskId);
        const subject = subjects.task(runId, 'train');
        await withSpan(
          'rollout.publish',
          taskAttributes(task),
          () =>
            publishMessage(nats, subject, RolloutTaskSchema, task, { messageId: `${runId}:${task.taskId}`, signal }),
          { root: rolloutSpan(runId, task.taskId) },
        );
      },
      signal,
    );
  }

  const { last_seq: lastResult } = (await nats.jsm.streams.info(streams.results)).state;
  const startedMs = performance.now();
  const failed = (thrown: unknown): void => finished.reject(errorFrom(thrown));
  const collecting = collect(lastResult + 1).catch(failed);
  const published = publish().catch(failed);
  try {
    await finished.promise;
    return { seconds: (performance.now() - startedMs) / 1000, tally };
  } finally {
    clearInterval(watch);
    options.signal.removeEventListener('abort', onStop);
    over.abort();
    await Promise.all([collecting, published]);
  }
}
