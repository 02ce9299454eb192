import type { SampleOutcome } from '#proto/coordinator/v1/ledger_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import type { GetOptions } from '#platform/nats/messages.ts';
import { streams } from '#platform/nats/streams.ts';
import { findTrajectory } from '#run/rollouts/results.ts';

type Place = Pick<SampleOutcome, 'taskId' | 'trajectorySequence'>;

/** Whether the trajectory of a sample is there. Waits for NATS as long as the run does. */
export async function hasTrajectory(nats: Nats, runId: string, place: Place, signal: AbortSignal): Promise<boolean> {
  return (await findTrajectory(nats, runId, place, { signal, timeoutMs: Infinity })) !== undefined;
}

/** The trajectory of a sample that is trained on or compared. Throws TerminalError('data_loss') when it is gone. */
export async function readTrajectory(
  nats: Nats,
  runId: string,
  place: Place,
  options: Pick<GetOptions, 'signal' | 'timeoutMs'> = {},
): Promise<Uint8Array> {
  const found = await findTrajectory(nats, runId, place, options);
  if (found !== undefined) return found;
  const { taskId, trajectorySequence } = place;
  throw new TerminalError(
    'data_loss',
    `the trajectory of sample ${taskId} is gone: message ${trajectorySequence} of stream ${streams.trajectories} was ` +
      'dropped for want of room, or the stream was deleted; the group that it belongs to cannot be trained on. ' +
      `Restore the stream and resume, or start a new run, with more room (max_bytes) for ${streams.trajectories}`,
    { details: { taskId, sequence: Number(trajectorySequence) } },
  );
}
