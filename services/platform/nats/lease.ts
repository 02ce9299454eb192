/**
 * A lease: at most one process holds a key at a time, as long as it says so every `renewMs`. It lives in a KV bucket whose
 * entries the server drops after `leaseTtlMs`; writes are bound to the revision seen last, so of two that want it one wins.
 *
 *     acquire -> held --(the server dropped it, nobody took it)--> lapsed --create--> held
 *                 |                                                   |
 *                 +-- somebody else has it ---------> lost <----------+
 *
 * A lease keeps processes out of each other's way. It does not make them safe: a holder that was frozen believes that it
 * holds until it looks. Whatever must not be done by two has to be fenced where it is done.
 *
 * Only monotonic clocks and the server's own are used, so the wall clock of no process matters.
 */
import type { KV } from '@nats-io/kv';
import { nuid } from '@nats-io/transport-node';
import { z } from 'zod';

import { sleep } from '../async/sleep.ts';
import { CancelledError, TransientError, errorFrom, throwIfCancelled } from '../errors.ts';
import { leaseBucket, leaseTtlMs, openBucket } from './bucket-settings.ts';
import type { Nats } from './connect.ts';
import { onLink } from './link.ts';
import { errorFromNats, isWrongSequence } from './nats-errors.ts';

/** Four tries fit into the time to live, so three renewals may fail. */
const renewMs = 700;
const retryMs = 100;

const valueSchema = z.object({ holder: z.string(), address: z.string(), session: z.string() });

/** Who holds a key, as another process sees it. */
export interface LeaseView {
  readonly holder: string;
  /** Where the holder serves, host:port. */
  readonly address: string;
}

export interface Lease {
  /** Aborts once it is known that the lease belongs to somebody else. */
  readonly lost: AbortSignal;
  /**
   * To be awaited before whatever only the holder may do: at once while the last renewal is fresh, else renews first, for as
   * long as NATS is unavailable. Throws `CancelledError` when the lease is lost.
   */
  confirm(signal: AbortSignal): Promise<void>;
  /** Gives the lease up. Harmless when it is lost. */
  release(): Promise<void>;
}

export interface LeaseOptions {
  readonly key: string;
  readonly holder: string;
  readonly address: string;
  /** Takes the lease from an earlier process of the same `holder`. Default false. */
  readonly fromEarlierSelf?: boolean | undefined;
  /** The lease had lapsed and nobody has it: throws when somebody had it in between. */
  readonly onLapsed?: (() => Promise<void>) | undefined;
  readonly signal: AbortSignal;
  /** Monotonic, in milliseconds. */
  readonly now?: (() => number) | undefined;
}

/** The lease, or who has it. */
export async function acquireLease(nats: Nats, options: LeaseOptions): Promise<Lease | LeaseView> {
  const { key, holder, address, signal } = options;
  const now = options.now ?? (() => performance.now());
  const session = nuid.next();
  const value = JSON.stringify({ holder, address, session });
  const over = new AbortController();
  const lost = new AbortController();
  let bucket = await openLeases(nats, signal);
  let confirmedMs = now();
  let revision = 0;

  const present = await readEntry(nats, key, signal);
  if (present !== undefined && !(options.fromEarlierSelf === true && present.holder === holder)) return present;
  try {
    revision = await write(present?.revision ?? 0);
  } catch (thrown) {
    const winner = isWrongSequence(thrown) ? await readEntry(nats, key, signal) : undefined;
    if (winner === undefined) throw thrown;
    return winner;
  }
  let renewing: Promise<void> | undefined;
  const kept = keep();

  async function write(after: number): Promise<number> {
    try {
      return await onLink(nats.link, signal, () =>
        after === 0 ? bucket.create(key, value) : bucket.update(key, value, after),
      );
    } catch (thrown) {
      throw errorFromNats(thrown, `lease ${key}`);
    }
  }

  function lose(who: string): never {
    const reason = new CancelledError('cancelled', `the lease of ${key} was lost to ${who}`);
    lost.abort(reason);
    over.abort(reason);
    throw reason;
  }

  async function renewOnce(): Promise<void> {
    const startedMs = now();
    try {
      revision = await write(revision);
    } catch (thrown) {
      if (!isWrongSequence(thrown)) {
        // The bucket itself may be gone: what is written to a stream that does not exist is never answered.
        if (!nats.link.signal.aborted) bucket = await openLeases(nats, over.signal);
        throw thrown;
      }
      const found = await readEntry(nats, key, over.signal);
      if (found !== undefined && found.session !== session) lose(found.holder);
      if (found === undefined) await options.onLapsed?.().catch((error: unknown) => lose(errorFrom(error).message));
      // Ours after all: dropped and free again, or renewed by a write whose answer was lost.
      revision = await write(found?.revision ?? 0);
    }
    confirmedMs = startedMs;
  }

  function renew(): Promise<void> {
    renewing ??= renewOnce().finally(() => (renewing = undefined));
    return renewing;
  }

  async function keep(): Promise<void> {
    while (!over.signal.aborted) {
      await sleep(renewMs, over.signal).catch(() => undefined);
      // A failure shows when the holder wants to act: `confirm` tries again and says why.
      if (!over.signal.aborted) await renew().catch(() => undefined);
    }
  }

  return {
    lost: lost.signal,
    async confirm(caller) {
      for (;;) {
        throwIfCancelled(lost.signal);
        throwIfCancelled(caller);
        if (now() - confirmedMs < leaseTtlMs) return;
        await nats.link.whenUp(caller);
        try {
          await renew();
        } catch (thrown) {
          throwIfCancelled(lost.signal);
          const error = errorFrom(thrown);
          // Somebody else was faster by a hair: the next look shows it.
          if (!(error instanceof TransientError) && !isWrongSequence(error)) throw error;
          await sleep(retryMs, caller);
        }
      }
    },
    async release() {
      over.abort(new CancelledError('cancelled', 'the lease is given up'));
      await kept;
      if (lost.signal.aborted || nats.link.signal.aborted) return;
      // Bound to our revision: a successor's lease stays. Where this fails the lease runs out by itself.
      await onLink(nats.link, AbortSignal.timeout(leaseTtlMs), () =>
        bucket.delete(key, { previousSeq: revision }),
      ).catch(() => undefined);
    },
  };
}

/** Makes the bucket, where it is missing. */
export async function ensureLeases(nats: Nats, signal: AbortSignal): Promise<void> {
  await openLeases(nats, signal);
}

/** Who holds a key now; undefined when nobody does. */
export async function readLease(nats: Nats, key: string, signal: AbortSignal): Promise<LeaseView | undefined> {
  try {
    return await readEntry(nats, key, signal);
  } catch (thrown) {
    // Without a bucket nobody is asked, which looks as if the server were unavailable.
    if (nats.link.signal.aborted) throw thrown;
    await openLeases(nats, signal);
    return await readEntry(nats, key, signal);
  }
}

type Entry = z.infer<typeof valueSchema> & { readonly revision: number };

async function readEntry(nats: Nats, key: string, signal: AbortSignal): Promise<Entry | undefined> {
  const query = { last_by_subj: `$KV.${leaseBucket}.${key}` };
  try {
    const message = await onLink(nats.link, signal, () => nats.jsm.direct.getMessage(`KV_${leaseBucket}`, query));
    // What was deleted is a message without a body.
    if (message === null || message.data.length === 0) return undefined;
    return { ...valueSchema.parse(message.json()), revision: message.seq };
  } catch (thrown) {
    throw errorFromNats(thrown, `lease ${key}`);
  }
}

async function openLeases(nats: Nats, signal: AbortSignal): Promise<KV> {
  await nats.link.whenUp(signal);
  try {
    return await onLink(nats.link, signal, () => openBucket(nats, leaseBucket));
  } catch (thrown) {
    throw errorFromNats(thrown, `bucket ${leaseBucket}`);
  }
}
