/**
 * Whether the connection is up. A request that was under way when it broke is never answered, so waits are bound to
 * the connection that they began on instead of to a timeout alone.
 */
import { errors, type NatsConnection } from '@nats-io/transport-node';

import { TransientError, cancelledFrom, errorFrom, throwIfCancelled } from '../errors.ts';
import type { Logger } from '../telemetry/logging.ts';

export interface Link {
  /** Aborts with a `TransientError` when the present connection breaks; another signal after each reconnect. */
  readonly signal: AbortSignal;
  /**
   * Calls `fail` once, when the present connection breaks, or now where there is none. Gives the function that withdraws it. For what a
   * process does thousands of times at once: leaving a signal costs more, the more listeners it has.
   */
  onceDown(fail: (error: Error) => void): () => void;
  /** Waits until connected. */
  whenUp(signal: AbortSignal | undefined): Promise<void>;
}

export interface LinkEvents {
  readonly onDown?: (() => void) | undefined;
  /** The server does not let this user do something. */
  readonly onRefused?: ((error: Error) => void) | undefined;
}

export function watchLink(nc: NatsConnection, log: Logger, events: LinkEvents = {}): Link {
  let controller = new AbortController();
  const underWay = new Set<(error: Error) => void>();
  const waiters = new Set<() => void>();

  function down(reason: string): void {
    if (controller.signal.aborted) return;
    const error = new TransientError('unavailable', `NATS: ${reason}`);
    controller.abort(error);
    for (const fail of underWay) fail(error);
    underWay.clear();
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
      } else if (status.type === 'error') {
        log.warn({ err: status.error }, 'NATS reported an error');
        if (isRefusal(status.error)) events.onRefused?.(status.error);
      }
    }
    down('the connection is closed');
  }
  void watch().catch((error: unknown) => log.error({ err: error }, 'the NATS connection is no longer watched'));

  return {
    get signal() {
      return controller.signal;
    },
    onceDown(fail) {
      if (controller.signal.aborted) fail(errorFrom(controller.signal.reason));
      else underWay.add(fail);
      return () => void underWay.delete(fail);
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

function isRefusal(error: Error): boolean {
  return error instanceof errors.PermissionViolationError || error instanceof errors.AuthorizationError;
}

/** Runs a request, given up as soon as the connection breaks or `signal` aborts. */
export async function onLink<T>(link: Link, signal: AbortSignal | undefined, request: () => Promise<T>): Promise<T> {
  throwIfCancelled(signal);
  const answer = request();
  return await new Promise<T>((resolve, reject) => {
    const forget = link.onceDown(reject);
    const onAbort = (): void => reject(cancelledFrom(signal?.reason));
    const settled = (): void => {
      forget();
      signal?.removeEventListener('abort', onAbort);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    // An answer that comes too late is of no interest, nor is its failure: a promise settles once.
    answer.then(
      (value) => (settled(), resolve(value)),
      (error: unknown) => (settled(), reject(error)),
    );
  });
}
