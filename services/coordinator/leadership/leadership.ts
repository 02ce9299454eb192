import { CancelledError, TerminalError, throwIfCancelled } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { sleep } from '#platform/async/sleep.ts';
import { leaseTtlMs } from '#platform/nats/bucket-settings.ts';
import { acquireLease } from '#platform/nats/lease.ts';
import type { Lease } from '#platform/nats/lease.ts';
import type { FencedWriter } from '../ledger-writer.ts';

/**
 * The right to drive one run. The lease keeps other coordinators out; the ledger decides (see `FencedWriter`): anyone who wrote to
 * it last leads, whatever anybody believes.
 */
export interface Leadership {
  /** Aborts when another coordinator leads the run, or is to lead it. */
  readonly lost: AbortSignal;
  /** Makes the ledger's word count; before, only the lease is held. */
  writeWith(writer: FencedWriter): void;
  /** To be awaited before an act that no other leader must meet; throws `CancelledError` when this one is over. */
  confirm(signal: AbortSignal): Promise<void>;
  /** As `confirm`, and reads the ledger even if the lease is fresh. */
  verify(): Promise<void>;
  /** From now on the run is somebody else's: nothing is written or cancelled any more. `release` lets the next one in. */
  handOver(): void;
  /** Whether it was. */
  readonly handedOver: boolean;
  release(): Promise<void>;
}

export interface LeadershipOptions {
  readonly runId: string;
  readonly holder: string;
  readonly address: string;
  /** Also from an earlier process of the same holder, which cannot be alive any more. */
  readonly fromEarlierSelf: boolean;
  /** How long the lease of a dead leader is waited for. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** Longer than a lease lives. */
export const leaseWaitMs = leaseTtlMs + 2_000;
const pollMs = 200;

export async function claimLeadership(nats: Nats, options: LeadershipOptions): Promise<Leadership> {
  const { runId, signal } = options;
  const lost = new AbortController();
  let writer: FencedWriter | undefined;
  let handedOver = false;
  const lease = await acquire();
  const onLost = (): void => lost.abort(lease.lost.reason);
  lease.lost.addEventListener('abort', onLost, { once: true });

  async function acquire(): Promise<Lease> {
    const untilMs = performance.now() + options.waitMs;
    for (;;) {
      const given = await acquireLease(nats, {
        key: runId,
        holder: options.holder,
        address: options.address,
        fromEarlierSelf: options.fromEarlierSelf,
        onLapsed: async () => writer?.verify(),
        // The lease is kept for as long as the run is driven, not for as long as somebody waits for its start.
        signal: new AbortController().signal,
      });
      if ('lost' in given) return given;
      if (performance.now() >= untilMs)
        throw new TerminalError(
          'already_exists',
          `run_id: '${runId}' is running, led by coordinator ${given.holder} at ${given.address}; stop it first`,
        );
      await sleep(pollMs, signal);
    }
  }

  return {
    lost: lost.signal,
    writeWith(next) {
      writer = next;
      next.refused.addEventListener('abort', () => lost.abort(next.refused.reason), { once: true });
    },
    async confirm(caller) {
      throwIfCancelled(lost.signal);
      await lease.confirm(caller);
    },
    async verify() {
      throwIfCancelled(lost.signal);
      await writer?.verify();
    },
    handOver() {
      handedOver = true;
      lost.abort(new CancelledError('cancelled', 'this coordinator ends, and another one is there'));
    },
    get handedOver() {
      return handedOver;
    },
    async release() {
      lease.lost.removeEventListener('abort', onLost);
      lost.abort(new CancelledError('cancelled', 'the run is no longer driven here'));
      await lease.release();
    },
  };
}
