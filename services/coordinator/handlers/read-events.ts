import type { ReadEventsRequest } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { TerminalError } from '#platform/errors.ts';
import { newestFact } from '#run/ledger/read-ledger.ts';
import { runEvents, type RunEventInit } from '#run/ledger/run-events.ts';
import { checkRunId, unknownRun } from '../runs/run-registry.ts';

/** The facts of a run, read from the ledger: any coordinator of the fleet has them. */
export async function* readEvents(
  nats: Nats,
  { runId, after, follow }: ReadEventsRequest,
  signal: AbortSignal,
): AsyncGenerator<RunEventInit, void, undefined> {
  checkRunId(runId);
  if (after > BigInt(Number.MAX_SAFE_INTEGER))
    throw new TerminalError('invalid_argument', `after: ${after} is no position; give that of an event, or 0`);
  if ((await newestFact(nats, runId, signal)) === undefined) throw unknownRun(runId);
  yield* runEvents(nats, runId, { after: Number(after), follow }, signal);
}
