import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import type { Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { errorFromNats, isMissingResource } from '#platform/nats/nats-errors.ts';
import { decodeMessage, getMessage, tailStream } from '#platform/nats/messages.ts';
import { streams, subjects } from '#platform/nats/streams.ts';
import { decodeTrajectory } from '#trajectory/encode-trajectory.ts';

/**
 * Results on the stream, oldest first, until the newest one that is there now. All runs when `runId` is undefined.
 * Throws TerminalError('not_found') when there is none.
 */
export async function* readResults(
  nats: Nats,
  runId: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<RolloutResult> {
  const subject = runId === undefined ? 'gradus.results.>' : subjects.result(runId);
  const last = await lastSequence(nats, subject);
  if (last === undefined) {
    const who = runId === undefined ? 'no run has left a rollout' : `there is no rollout of a run ${runId}`;
    throw new TerminalError('not_found', `${who} here; 'gradus status' lists the runs`);
  }
  const done = new AbortController();
  for await (const message of tailStream(nats, streams.results, subject, {
    signal: AbortSignal.any([signal, done.signal]),
  })) {
    yield decodeMessage(RolloutResultSchema, message.data);
    if (message.sequence >= last) {
      done.abort();
      return;
    }
  }
}

async function lastSequence(nats: Nats, subject: string): Promise<number | undefined> {
  try {
    await nats.jsm.streams.info(streams.results);
  } catch (thrown) {
    if (isMissingResource(thrown)) return undefined;
    throw errorFromNats(thrown, `reading ${streams.results}`);
  }
  const stored = await nats.jsm.direct.getMessage(streams.results, { last_by_subj: subject });
  return stored?.seq;
}

/** The newest result whose task id begins with `prefix`, which must be unambiguous. */
export async function findResult(
  nats: Nats,
  prefix: string,
  runId: string | undefined,
  signal: AbortSignal,
): Promise<RolloutResult> {
  const found = new Map<string, RolloutResult>();
  for await (const result of readResults(nats, runId, signal)) {
    if (result.taskId.startsWith(prefix)) found.set(result.taskId, result);
  }
  const [only, ...others] = found.values();
  if (only === undefined) {
    throw new TerminalError(
      'not_found',
      `no rollout's id begins with '${prefix}'; 'gradus rollout list --limit 0' lists them`,
    );
  }
  if (others.length > 0) {
    const ids = [...found.keys()].slice(0, 4).join(', ');
    throw new TerminalError(
      'invalid_argument',
      `${found.size} rollouts begin with '${prefix}' (${ids} ...); give more of the id`,
    );
  }
  return only;
}

/** The newest rollout of a run that left a trajectory. */
export async function lastRollout(nats: Nats, runId: string, signal: AbortSignal): Promise<RolloutResult> {
  let last: RolloutResult | undefined;
  for await (const result of readResults(nats, runId, signal)) if (result.trajectorySequence !== 0n) last = result;
  if (last === undefined) throw new TerminalError('not_found', `run ${runId} has no finished rollout`);
  return last;
}

/** Throws TerminalError('not_found') when the rollout left none, or it is gone. */
export async function readTrajectory(nats: Nats, result: RolloutResult): Promise<Trajectory> {
  if (result.trajectorySequence === 0n) {
    throw new TerminalError(
      'not_found',
      `rollout ${result.taskId} left no trajectory: ${result.failureDetail || 'infrastructure failed'}`,
    );
  }
  let data: Uint8Array;
  try {
    data = await getMessage(nats, streams.trajectories, Number(result.trajectorySequence));
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (error.code !== 'not_found') throw error;
    throw new TerminalError(
      'not_found',
      `the trajectory of rollout ${result.taskId} is no longer on the stream: its size limit dropped the oldest; take a younger rollout`,
      { cause: error },
    );
  }
  return await decodeTrajectory(data);
}
