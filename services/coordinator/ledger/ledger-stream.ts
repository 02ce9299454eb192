import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import type { Nats } from '#shared/nats/connect.ts';
import { decodeMessage, publishMessage, tailStream } from '#shared/nats/messages.ts';
import { streams, subjects } from '#shared/nats/streams.ts';
import { findMessage } from '../run/find-message.ts';
import { foldEntry } from './fold.ts';
import { newRunState } from './run-state.ts';
import type { RunState } from './run-state.ts';

export type FactInit = NonNullable<MessageInitShape<typeof LedgerEntrySchema>['fact']>;

/** Long enough for a NATS server that restarts. */
const appendTimeoutMs = 120_000;

/** All entries of a run so far, in order. */
export async function* readLedger(
  nats: Nats,
  runId: string,
  signal: AbortSignal,
): AsyncGenerator<LedgerEntry, void, undefined> {
  const subject = subjects.ledger(runId);
  const last = await findMessage(nats, streams.ledger, { last_by_subj: subject }, signal);
  if (last === undefined) return;
  for await (const message of tailStream(nats, streams.ledger, subject, { signal })) {
    yield decodeMessage(LedgerEntrySchema, message.data);
    if (message.sequence >= last.sequence) return;
  }
}

export async function foldLedger(nats: Nats, runId: string, signal: AbortSignal): Promise<RunState> {
  let state = newRunState(runId);
  for await (const entry of readLedger(nats, runId, signal)) state = foldEntry(state, entry);
  return state;
}

/** Runs that have a ledger. */
export async function ledgerRuns(nats: Nats): Promise<string[]> {
  const prefix = subjects.ledger('x').slice(0, -1);
  const info = await nats.jsm.streams.info(streams.ledger, { subjects_filter: `${prefix}*` });
  return Object.keys(info.state.subjects ?? {}).map((subject) => subject.slice(prefix.length));
}

/** The one writer of a run's ledger: a fact is durable before the state knows it. */
export interface LedgerWriter {
  readonly state: RunState;
  append(fact: FactInit): Promise<LedgerEntry>;
}

export function createLedgerWriter(nats: Nats, initial: RunState, now: () => number): LedgerWriter {
  let state = initial;
  let tail: Promise<unknown> = Promise.resolve();

  async function append(fact: FactInit): Promise<LedgerEntry> {
    const entry = create(LedgerEntrySchema, { runId: state.runId, atMs: BigInt(now()), fact });
    // Refuse what could not be read back before it is written.
    const next = foldEntry(state, entry);
    if (next === state) return entry;
    // Not aborted by a stop: the fact that the run was stopped has to be written too. The deadline bounds it.
    await publishMessage(nats, subjects.ledger(state.runId), LedgerEntrySchema, entry, {
      messageId: `${state.runId}:ledger:${state.entries}:${fact.case ?? ''}`,
      signal: AbortSignal.timeout(appendTimeoutMs),
      timeoutMs: appendTimeoutMs,
    });
    state = next;
    return entry;
  }

  return {
    get state() {
      return state;
    },
    append(fact) {
      const appended = tail.then(() => append(fact));
      tail = appended.catch(() => undefined);
      return appended;
    },
  };
}
