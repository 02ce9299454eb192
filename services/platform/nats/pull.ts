/** One pull request: the server sends up to `batch` messages, heartbeats while it waits for some, and says when it ends. */
import { createInbox, nanos } from '@nats-io/transport-node';
import type { Msg } from '@nats-io/transport-node';

import type { Nats } from './connect.ts';

export interface PullRequest {
  readonly stream: string;
  readonly consumer: string;
  readonly batch: number;
  /** Whether to wait for messages that are not there yet; without it the server sends what it has and ends. */
  readonly wait: boolean;
  readonly signal: AbortSignal;
  /** Called for each message as it arrives, at most `batch` times. */
  readonly onMessage: (message: Msg) => void;
}

/**
 * - `complete`: `batch` messages came.
 * - `expired`: the server ended the request; ask again.
 * - `lost`: the connection broke; ask again once connected.
 * - `silent`: connected, and no answer. The server has stopped, or the consumer is stale: nats-server 2.9 does not answer for a
 *   consumer whose pending messages are gone. Anyone who asks the same consumer again at once may get no answer forever.
 * - `missing`: stream or consumer do not exist (any more).
 * - `aborted`: the caller's signal.
 */
export type PullEnd = 'complete' | 'expired' | 'lost' | 'silent' | 'missing' | 'aborted';

const expiresMs = 10_000;
const heartbeatMs = 1_000;
const waiting = { expires: nanos(expiresMs), idle_heartbeat: nanos(heartbeatMs) };
const silenceMs = 3_500;
const limitPauseMs = 200;

export async function pull(nats: Nats, request: PullRequest): Promise<PullEnd> {
  const { nc, link } = nats;
  const present = link.signal;
  if (request.signal.aborted) return 'aborted';
  if (present.aborted) return 'lost';
  const inbox = createInbox(nats.inboxPrefix);
  const { promise, resolve } = Promise.withResolvers<PullEnd>();
  const onAbort = (): void => resolve('aborted');
  const onLost = (): void => resolve('lost');
  let received = 0;
  let heardMs = performance.now();
  let pause: NodeJS.Timeout | undefined;

  function onMessage(message: Msg): void {
    heardMs = performance.now();
    const status = message.headers?.code ?? 0;
    if (status === 0) {
      received += 1;
      request.onMessage(message);
      if (received >= request.batch) resolve('complete');
    } else if (status === 503 || (status === 404 && request.wait)) {
      resolve('missing');
    } else if (status === 409 && /deleted/i.test(message.headers?.description ?? '')) {
      resolve('missing');
    } else if (status === 409) {
      // A limit of the consumer or of the server, which passes.
      pause = setTimeout(() => resolve('expired'), limitPauseMs);
    } else if (status !== 100) {
      resolve('expired');
    }
  }

  const subscription = nc.subscribe(inbox, {
    callback: (error, message) => {
      if (error === null || error === undefined) onMessage(message);
      else resolve('lost');
    },
  });
  request.signal.addEventListener('abort', onAbort, { once: true });
  present.addEventListener('abort', onLost, { once: true });
  const watch = setInterval(() => {
    if (performance.now() - heardMs > silenceMs) resolve('silent');
  }, heartbeatMs);
  nc.publish(
    `$JS.API.CONSUMER.MSG.NEXT.${request.stream}.${request.consumer}`,
    JSON.stringify({ batch: request.batch, ...(request.wait ? waiting : { no_wait: true }) }),
    { reply: inbox },
  );
  try {
    return await promise;
  } finally {
    clearInterval(watch);
    clearTimeout(pause);
    request.signal.removeEventListener('abort', onAbort);
    present.removeEventListener('abort', onLost);
    subscription.unsubscribe();
  }
}
