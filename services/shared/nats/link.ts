/**
 * Whether the connection is up. A request that was under way when it broke is never answered, so waits are bound to
 * the connection that they began on instead of to a timeout alone.
 */
import type { NatsConnection } from '@nats-io/transport-node';

import { TransientError, cancelledFrom, throwIfCancelled } from '../errors.ts';
import type { Logger } from '../telemetry/logging.ts';

export interface Link {
  /** Aborts with a `TransientError` when the present connection breaks; another signal after each reconnect. */
  readonly signal: AbortSignal;
  /** Waits until connected. */
  whenUp(signal: AbortSignal | undefined): Promise<void>;
}

export interface LinkEvents {
  readonly onDown?: (() => void) | undefined;
}

export function watchLink(nc: NatsConnection, log: Logger, events: LinkEvents = {}): Link {
  let controller = new AbortController();
  const waiters = new Set<() => void>();

  function down(reason: string): void {
    if (controller.signal.aborted) return;
    controller.abort(new TransientError('unavailable', `NATS: ${reason}`));
    events.onDown?.();
  }

  function up(): void {
    controller = new AbortController();
    for (const resolve of waiters) resolve();
    waiters.clear();
  }

  async function watch(): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === 'disconnect') {
        log.warn({ server: status.server }, 'NATS connection lost; reconnecting');
        down('the connection was lost');
      } else if (status.type === 'staleConnection') down('the server does not answer');
      else if (status.type === 'reconnect') {
        log.info({ server: status.server }, 'NATS connected again');
        up();
      } else if (status.type === 'error') log.warn({ err: status.error }, 'NATS reported an error');
    }
    down('the connection is closed');
  }
  void watch().catch((error: unknown) => log.error({ err: error }, 'the NATS connection is no longer watched'));

  return {
    get signal() {
      return controller.signal;
    },
    async whenUp(signal) {
      throwIfCancelled(signal);
      if (!controller.signal.aborted) return;
      if (nc.isClosed()) throw new TransientError('unavailable', 'NATS: the connection is closed');
      await new Promise<void>((resolve, reject) => {
        const onUp = (): void => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        };
        const onAbort = (): void => {
          waiters.delete(onUp);
          reject(cancelledFrom(signal?.reason));
        };
        waiters.add(onUp);
        signal?.addEventListener('abort', onAbort, { once: true });
      });
    },
  };
}

/** Runs a request, given up as soon as the connection breaks or `signal` aborts. */
export async function onLink<T>(link: Link, signal: AbortSignal | undefined, request: () => Promise<T>): Promise<T> {
  throwIfCancelled(signal);
  const present = link.signal;
  const { promise: broken, reject } = Promise.withResolvers<never>();
  const onBreak = (): void => reject(present.reason);
  const onAbort = (): void => reject(cancelledFrom(signal?.reason));
  if (present.aborted) onBreak();
  present.addEventListener('abort', onBreak, { once: true });
  signal?.addEventListener('abort', onAbort, { once: true });
  const answer = request();
  // If it loses the race its failure is of no interest.
  answer.catch(() => {});
  try {
    return await Promise.race([answer, broken]);
  } finally {
    present.removeEventListener('abort', onBreak);
    signal?.removeEventListener('abort', onAbort);
  }
}
