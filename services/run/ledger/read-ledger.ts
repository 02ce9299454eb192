import type { MessageInitShape } from '@bufbuild/protobuf';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import { TerminalError, errorFrom, throwIfCancelled } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import type { TailMessage } from '#platform/nats/messages.ts';
import { decodeMessage, tailStream } from '#platform/nats/messages.ts';
import { streams, subjects } from '#platform/nats/streams.ts';
import { findMessage } from '#platform/nats/find-message.ts';
import type { FoundMessage } from '#platform/nats/find-message.ts';
import { foldEntry } from './fold.ts';
import { newRunState } from './run-state.ts';
import type { RunState } from './run-state.ts';

export type FactInit = NonNullable<MessageInitShape<typeof LedgerEntrySchema>['fact']>;

export interface Positioned {
  readonly entry: LedgerEntry;
  /** On the LEDGER stream. */
  readonly sequence: number;
}

/** All entries of a run so far, in order. */
export async function* readLedger(
  nats: Nats,
  runId: string,
  signal: AbortSignal,
): AsyncGenerator<LedgerEntry, void, undefined> {
  for await (const { entry } of readPositions(nats, runId, signal)) yield entry;
}

/** As `readLedger`, all at once. Throws TerminalError('not_found') when there is none. */
export async function ledgerEntries(nats: Nats, runId: string, signal: AbortSignal): Promise<LedgerEntry[]> {
  const entries: LedgerEntry[] = [];
  for await (const entry of readLedger(nats, runId, signal)) entries.push(entry);
  if (entries.length > 0) return entries;
  throw new TerminalError('not_found', `run ${runId} has no ledger on the streams of this home`);
}

/** As `readLedger`, and then what is appended from now on, until the caller has enough. Says of each entry whether it was there before. */
export async function* followLedger(
  nats: Nats,
  runId: string,
  signal: AbortSignal,
): AsyncGenerator<Positioned & { readonly isRecent: boolean }, void, undefined> {
  const last = await newestFact(nats, runId, signal);
  if (last === undefined) return;
  for await (const message of tailStream(nats, streams.ledger, subjects.ledger(runId), { signal })) {
    const { sequence } = message;
    yield { entry: decodeEntry(runId, message), sequence, isRecent: sequence >= last.sequence };
  }
  throwIfCancelled(signal);
}

async function* readPositions(
  nats: Nats,
  runId: string,
  signal: AbortSignal,
): AsyncGenerator<Positioned, void, undefined> {
  const subject = subjects.ledger(runId);
  const last = await newestFact(nats, runId, signal);
  if (last === undefined) return;
  for await (const message of tailStream(nats, streams.ledger, subject, { signal })) {
    yield { entry: decodeEntry(runId, message), sequence: message.sequence };
    if (message.sequence >= last.sequence) return;
  }
  // Ended before it was read whole: a state that lacks facts must not be taken for one.
  throwIfCancelled(signal);
}

/** Undefined while the run has no fact. */
export async function newestFact(nats: Nats, runId: string, signal: AbortSignal): Promise<FoundMessage | undefined> {
  try {
    return await findMessage(nats, streams.ledger, { last_by_subj: subjects.ledger(runId) }, signal);
  } catch (thrown) {
    const error = errorFrom(thrown);
    throw error.code === 'not_found' ? ledgerGone(runId, error) : error;
  }
}

/** What is not in the ledger did not happen: a run without its own can neither go on nor be resumed. */
export function ledgerGone(runId: string, cause?: unknown): TerminalError {
  return new TerminalError(
    'data_loss',
    `stream ${streams.ledger} was deleted, and the ledger of run ${runId} with it; restore the stream from a backup and resume, ` +
      'or restart the coordinator, which makes an empty one, and start a new run',
    { cause },
  );
}

function decodeEntry(runId: string, { sequence, data }: TailMessage): LedgerEntry {
  try {
    return decodeMessage(LedgerEntrySchema, data);
  } catch (cause) {
    throw new TerminalError(
      'data_loss',
      `the ledger of run ${runId} is damaged: message ${sequence} of ${streams.ledger} is not an entry ` +
        `(${errorFrom(cause).message}); if it was never one, delete that message and resume, else start a new run`,
      { cause, details: { sequence } },
    );
  }
}

/** A run's state, and the stream sequence of the last fact in it; 0 while there is none. */
export interface Ledger {
  readonly state: RunState;
  readonly sequence: number;
}

export async function foldLedger(nats: Nats, runId: string, signal: AbortSignal): Promise<Ledger> {
  let state = newRunState(runId);
  let sequence = 0;
  for await (const read of readPositions(nats, runId, signal)) {
    state = foldEntry(state, read.entry);
    ({ sequence } = read);
  }
  return { state, sequence };
}

/** Runs that have a ledger. */
export async function ledgerRuns(nats: Nats): Promise<string[]> {
  const prefix = subjects.ledger('x').slice(0, -1);
  const info = await nats.jsm.streams.info(streams.ledger, { subjects_filter: `${prefix}*` });
  return Object.keys(info.state.subjects ?? {}).map((subject) => subject.slice(prefix.length));
}
