import { create } from '@bufbuild/protobuf';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import { nuid } from '@nats-io/transport-node';
import { CancelledError, errorFrom, throwIfCancelled } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { publishMessage } from '#platform/nats/messages.ts';
import { isWrongSequence } from '#platform/nats/nats-errors.ts';
import { subjects } from '#platform/nats/streams.ts';
import { checkFinite } from '#run/ledger/finite.ts';
import { foldEntry } from '#run/ledger/fold.ts';
import { ledgerGone, newestFact } from '#run/ledger/read-ledger.ts';
import type { FactInit, Ledger } from '#run/ledger/read-ledger.ts';
import type { RunState } from '#run/ledger/run-state.ts';

/** Long enough for a NATS server that restarts. */
const appendTimeoutMs = 120_000;

/**
 * The writer of a run's ledger: a fact is durable before the state knows it.
 *
 * Each fact names the one that it follows, and the server refuses it when another one is there. So of two processes that
 * both believe that they lead a run, the one that wrote last goes on, and the other cannot write ever again: its append
 * throws `CancelledError`, and `refused` aborts.
 */
export interface LedgerWriter {
  readonly state: RunState;
  append(fact: FactInit): Promise<LedgerEntry>;
}

export interface FencedWriter extends LedgerWriter {
  /** Aborts when somebody else has written to the ledger. */
  readonly refused: AbortSignal;
  /** Stream sequence of this writer's first fact: greater than that of every earlier leader of any run. 0 before. */
  readonly epoch: number;
  /** Looks whether somebody else has written; then throws as `append` does. */
  verify(): Promise<void>;
}

export interface WriterClocks {
  /** Milliseconds since the epoch; it may jump. */
  readonly wall: () => number;
  readonly monotonic: () => number;
}

const processClocks: WriterClocks = { wall: Date.now, monotonic: () => performance.now() };

export function createLedgerWriter(nats: Nats, initial: Ledger, clocks: WriterClocks = processClocks): FencedWriter {
  let { state, sequence } = initial;
  let epoch = 0;
  /** When our last fact was made. */
  let lastMs = 0;
  let tail: Promise<unknown> = Promise.resolve();
  const refused = new AbortController();
  // Part of message ids: what two writers append at the same place are two facts, and no repetition of one.
  const session = nuid.next();

  /** Another fact than ours is the newest one: somebody else's, unless there is none at all. */
  async function refuse(): Promise<never> {
    const newest = await newestFact(nats, state.runId, AbortSignal.timeout(appendTimeoutMs));
    if (newest === undefined && sequence > 0) throw ledgerGone(state.runId);
    const reason = new CancelledError('cancelled', `another coordinator leads run ${state.runId} by now`);
    refused.abort(reason);
    throw reason;
  }

  async function append(fact: FactInit): Promise<LedgerEntry> {
    throwIfCancelled(refused.signal);
    const madeMs = clocks.monotonic();
    const entry = create(LedgerEntrySchema, {
      runId: state.runId,
      atMs: BigInt(clocks.wall()),
      ...(epoch > 0 && { elapsedMs: BigInt(Math.round(madeMs - lastMs)) }),
      fact,
    });
    checkFinite(entry);
    // Refuse what could not be read back before it is written.
    const next = foldEntry(state, entry);
    if (next === state) return entry;
    try {
      // Not aborted by a stop: the fact that the run was stopped has to be written too. The deadline bounds it.
      ({ sequence } = await publishMessage(nats, subjects.ledger(state.runId), LedgerEntrySchema, entry, {
        messageId: `${state.runId}:ledger:${state.entries}:${session}`,
        afterSequence: sequence,
        signal: AbortSignal.timeout(appendTimeoutMs),
        timeoutMs: appendTimeoutMs,
      }));
    } catch (thrown) {
      if (isWrongSequence(thrown)) return await refuse();
      const error = errorFrom(thrown);
      throw error.code === 'not_found' ? ledgerGone(state.runId, error) : error;
    }
    if (epoch === 0) epoch = sequence;
    lastMs = madeMs;
    state = next;
    return entry;
  }

  function inOrder<T>(act: () => Promise<T>): Promise<T> {
    const done = tail.then(act);
    tail = done.catch(() => undefined);
    return done;
  }

  return {
    get state() {
      return state;
    },
    get epoch() {
      return epoch;
    },
    refused: refused.signal,
    append: (fact) => inOrder(() => append(fact)),
    verify: () =>
      inOrder(async () => {
        throwIfCancelled(refused.signal);
        const newest = await newestFact(nats, state.runId, AbortSignal.timeout(appendTimeoutMs));
        if ((newest?.sequence ?? 0) !== sequence) await refuse();
      }),
  };
}
