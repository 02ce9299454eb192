import { statfs } from 'node:fs/promises';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { sleep, untilCancelled } from '#platform/async/sleep.ts';
import { errorFrom } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { streams, workerConsumers } from '#platform/nats/streams.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import type { RunSeries } from './run-series.ts';

const lookIntervalMs = 5_000;
/** A server that does not answer leaves the series out, and the next look is not kept waiting. */
const lookMs = 4_000;

/** How full JetStream is and how far workers are behind, as the server says it. Every coordinator of a fleet has the same numbers. */
export function createQueueSeries(metrics: Metrics, nats: Pick<Nats, 'jsm'>) {
  const messages = metrics.gauge('gradus_stream_messages', 'Messages in a JetStream stream.', ['stream']);
  const bytes = metrics.gauge('gradus_stream_bytes', 'Size of a JetStream stream.', ['stream']);
  const limit = metrics.gauge('gradus_stream_limit_bytes', 'Largest size of a JetStream stream.', ['stream']);
  const tasks = metrics.gauge(
    'gradus_queue_tasks',
    'Tasks in the queue: waiting for a worker, held by one, or held after an earlier delivery was lost.',
    ['purpose', 'state'],
  );
  const all = [messages, bytes, limit, tasks];

  return {
    async look(): Promise<void> {
      try {
        await Promise.all([
          ...Object.values(streams).map(async (stream) => {
            const { state, config } = await nats.jsm.streams.info(stream);
            messages.set({ stream }, state.messages);
            bytes.set({ stream }, state.bytes);
            if (config.max_bytes > 0) limit.set({ stream }, config.max_bytes);
          }),
          ...Object.entries(workerConsumers).map(async ([purpose, consumer]) => {
            const info = await nats.jsm.consumers.info(streams.tasks, consumer);
            tasks.set({ purpose, state: 'waiting' }, info.num_pending);
            tasks.set({ purpose, state: 'held' }, info.num_ack_pending);
            tasks.set({ purpose, state: 'redelivered' }, info.num_redelivered);
          }),
        ]);
      } catch (error) {
        // Old numbers would pass for new ones.
        for (const gauge of all) gauge.reset();
        throw error;
      }
    },
    forget: () => all.forEach((gauge) => gauge.reset()),
  };
}

export interface WatchedSeries {
  readonly queue: ReturnType<typeof createQueueSeries>;
  readonly runs: Pick<RunSeries, 'disk'>;
  /** Directories of the runs that are driven here, by run. */
  directories(): Iterable<readonly [string, string]>;
  readonly log: Pick<Logger, 'debug'>;
}

/** Looks every five seconds at what nobody tells: streams, the task queue, and the disks of runs. Never throws. */
export async function watchSeries(
  { queue, runs, directories, log }: WatchedSeries,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    using late = deadlineSignal(signal, lookMs, 'a look at the streams');
    await untilCancelled(queue.look(), late.signal).catch((thrown: unknown) => {
      queue.forget();
      log.debug({ err: errorFrom(thrown) }, 'the streams cannot be looked at; they have no series meanwhile');
    });
    for (const [runId, directory] of directories()) {
      try {
        const { bsize, bavail, blocks } = await untilCancelled(statfs(directory), late.signal);
        runs.disk(runId, bavail * bsize, blocks * bsize);
      } catch (thrown) {
        log.debug({ run: runId, err: errorFrom(thrown) }, 'the disk of a run cannot be looked at');
      }
    }
    await sleep(lookIntervalMs, signal).catch(() => undefined);
  }
}
