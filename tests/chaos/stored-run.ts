import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { connectNats } from '#platform/nats/connect.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { getMessage } from '#platform/nats/messages.ts';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import { streams, subjects } from '#platform/nats/streams.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { decodeTrajectory } from '#trajectory/encode-trajectory.ts';

/** A message with the server's own time of storing it, in Unix milliseconds. */
export interface Stored<T> {
  readonly value: T;
  readonly atMs: number;
}

/** What a run has left behind on its streams. */
export interface StoredRun {
  readonly entries: readonly Stored<LedgerEntry>[];
  readonly results: readonly Stored<RolloutResult>[];
  readonly tasksLeft: number;
  /** Why each task was given up. */
  readonly deadLetters: readonly string[];
  /** SHA-256 of the sequence of each trajectory that was trained on, lower-case hex, by its place on the stream. */
  readonly digests: ReadonlyMap<bigint, string>;
}

/** Opens the streams of a home in which nothing runs any more. */
export async function readStoredRun(home: string, runId: string, signal: AbortSignal): Promise<StoredRun> {
  await using server = await startNatsServer({ storeDirectory: join(home, 'nats'), signal });
  return await readRunAt(server.url, runId, signal);
}

/** The same from servers that run. */
export async function readRunAt(url: string, runId: string, signal: AbortSignal): Promise<StoredRun> {
  const log = createLogger({ service: 'chaos', level: 'silent' });
  const nats = await connectNats({ url, name: 'chaos-audit', log, signal });
  try {
    const entries = await readSubject(nats, streams.ledger, subjects.ledger(runId), (data) =>
      fromBinary(LedgerEntrySchema, data),
    );
    const results = await readSubject(nats, streams.results, subjects.result(runId), (data) =>
      fromBinary(RolloutResultSchema, data),
    );
    const deadLetters = await readSubject(
      nats,
      streams.deadLetters,
      subjects.deadLetter(runId),
      (_data, header) => header,
    );
    const { state } = await nats.jsm.streams.info(streams.tasks);
    const digests = new Map<bigint, string>();
    for (const sequence of trainedOn(entries.map(({ value }) => value))) {
      const trajectory = await decodeTrajectory(await getMessage(nats, streams.trajectories, Number(sequence)));
      digests.set(sequence, Buffer.from(trajectory.sequenceDigest).toString('hex'));
    }
    return { entries, results, tasksLeft: state.messages, deadLetters: deadLetters.map(({ value }) => value), digests };
  } finally {
    await nats.close();
  }
}

function trainedOn(entries: readonly LedgerEntry[]): bigint[] {
  return entries.flatMap(({ fact }) =>
    fact.case === 'stepFormed' ? fact.value.samples.map(({ trajectorySequence }) => trajectorySequence) : [],
  );
}

/** One message after the other, by what the stream holds and without a consumer: nothing is skipped or acknowledged. */
async function readSubject<T>(
  nats: Nats,
  stream: string,
  subject: string,
  parse: (data: Uint8Array, reason: string) => T,
): Promise<Stored<T>[]> {
  const found: Stored<T>[] = [];
  for (let sequence = 1; ;) {
    const message = await nats.jsm.direct.getMessage(stream, { seq: sequence, next_by_subj: subject });
    if (message === null) return found;
    found.push({ value: parse(message.data, message.header.get('Gradus-Reason')), atMs: message.time.getTime() });
    sequence = message.seq + 1;
  }
}

/** The weights that the learner wrote last, as bytes. */
export async function finalWeights(entries: readonly Stored<LedgerEntry>[]): Promise<Buffer> {
  const last = entries.findLast(({ value }) => value.fact.case === 'stepCommitted')?.value.fact;
  if (last?.case !== 'stepCommitted') return Buffer.alloc(0);
  return await readFile(join(last.value.weightsPath, 'model.safetensors'));
}
