/**
 * A real NATS server that comes back with a state of `workers_eval` that is older than its queue: what nats-server 2.9 does after a
 * kill, because it writes that state some time after the stream. Here the state is taken from the disk while deliveries are open,
 * and put back once their tasks are done.
 */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { pull } from '#platform/nats/pull.ts';
import { ensureStreams, streams, workerConsumers } from '#platform/nats/streams.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';
import { connectTo, publishTask, startServer } from './fixtures.ts';
import { until } from '../until.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

/** Deliveries that the consumer remembers of evaluations that are done. */
export const staleDeliveries = 30;
const { signal } = new AbortController();

/** The task `train-first` is still queued: it is older than the evaluations, so the stream does not begin after them. */
export async function startWithStaleConsumer() {
  const storeDirectory = await temporaryDirectory();
  const state = join(storeDirectory, 'store', 'jetstream', '$G', 'streams', streams.tasks, 'obs', workerConsumers.eval);
  const saved = join(storeDirectory, 'saved');
  const port = await lastingPort();
  const start = () => startServer({ storeDirectory, port });
  let server = await start();
  const nats = await connectTo(server.url);
  await ensureStreams(nats);
  await publishTask(nats, 'train-first', 'train');
  const publishing = Array.from({ length: staleDeliveries }, (_, index) => publishTask(nats, `eval-${index}`, 'eval'));
  await Promise.all(publishing);
  const replies: string[] = [];
  const consumer = workerConsumers.eval;
  const onMessage = (message: { readonly reply?: string }) => void replies.push(message.reply ?? '');
  await pull(nats, { stream: streams.tasks, consumer, batch: staleDeliveries, wait: true, signal, onMessage });
  // A server that is stopped in order writes the state.
  await server.stop();
  await cp(state, saved, { recursive: true });
  server = await start();
  await nats.link.whenUp(signal);
  await Promise.all(replies.map((reply) => nats.nc.request(reply, '+ACK', { timeout: 60_000 })));
  await server.stop();
  await rm(state, { recursive: true });
  await cp(saved, state, { recursive: true });
  server = await start();
  await nats.link.whenUp(signal);
  await until(isSilent, 'the stale consumer does not answer any more');

  /** Whether a request for what there is stays without an answer. */
  async function isSilent(): Promise<boolean> {
    const end = await pull(nats, { stream: streams.tasks, consumer, batch: 1, wait: false, signal, onMessage });
    return end === 'silent';
  }
  return { nats, server, isSilent };
}
