import type { SampleOutcome } from '#proto/coordinator/v1/ledger_pb.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { getMessage } from '#platform/nats/messages.ts';
import type { GetOptions } from '#platform/nats/messages.ts';
import { streams } from '#platform/nats/streams.ts';

/** Whether the trajectory of a sample is there. Waits for NATS as long as the run does. */
export async function hasTrajectory(
  nats: Nats,
  runId: string,
  { taskId, trajectorySequence }: Pick<SampleOutcome, 'taskId' | 'trajectorySequence'>,
  signal: AbortSignal,
): Promise<boolean> {
  // No stream counts further, and no request carries more digits.
  if (trajectorySequence <= 0n || trajectorySequence > BigInt(Number.MAX_SAFE_INTEGER)) return false;
  try {
    const messageIdPrefix = `${runId}:${taskId}:`;
    await getMessage(nats, streams.trajectories, Number(trajectorySequence), {
      signal,
      timeoutMs: Infinity,
      messageIdPrefix,
    });
    return true;
  } catch (thrown) {
    if (errorFrom(thrown).code === 'not_found') return false;
    throw thrown;
  }
}

/**
 * The trajectory of a sample that is trained on or compared. A stream that was deleted and made again counts from 1: what lies at the
 * sample's sequence now may be another rollout, and is not taken for this one.
 */
export async function readTrajectory(
  nats: Nats,
  runId: string,
  { taskId, trajectorySequence }: Pick<SampleOutcome, 'taskId' | 'trajectorySequence'>,
  options: Pick<GetOptions, 'signal' | 'timeoutMs'> = {},
): Promise<Uint8Array> {
  try {
    return await getMessage(nats, streams.trajectories, Number(trajectorySequence), {
      ...options,
      messageIdPrefix: `${runId}:${taskId}:`,
    });
  } catch (cause) {
    const error = errorFrom(cause);
    if (error.code !== 'not_found') throw error;
    throw new TerminalError(
      'data_loss',
      `the trajectory of sample ${taskId} is gone: message ${trajectorySequence} of stream ${streams.trajectories} was ` +
        'dropped for want of room, or the stream was deleted; the group that it belongs to cannot be trained on. ' +
        `Restore the stream and resume, or start a new run, with more room (max_bytes) for ${streams.trajectories}`,
      { cause, details: { taskId, sequence: Number(trajectorySequence) } },
    );
  }
}
