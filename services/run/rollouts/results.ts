import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import type { Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError, errorFrom, throwIfCancelled } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { findMessage } from '#platform/nats/find-message.ts';
import { decodeMessage, getMessage, tailStream } from '#platform/nats/messages.ts';
import type { GetOptions } from '#platform/nats/messages.ts';
import { streams, subjects } from '#platform/nats/streams.ts';
import { createCountedRollouts } from './counted-rollouts.ts';
import { decodeTrajectory } from '#trajectory/encode-trajectory.ts';

/**
 * Results of a run, or of all runs where `runId` is undefined, oldest first, until the newest one that is there now. A record that
 * cannot be read is passed over: it answers no task.
 */
export async function* storedResults(
  nats: Nats,
  runId: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<RolloutResult, void, undefined> {
  const subject = runId === undefined ? 'gradus.results.>' : subjects.result(runId);
  const newest = await findMessage(nats, streams.results, { last_by_subj: subject }, signal);
  if (newest === undefined) return;
  for await (const { data, sequence } of tailStream(nats, streams.results, subject, { signal })) {
    const result = decodeResult(data);
    if (result !== undefined) yield result;
    if (sequence >= newest.sequence) return;
  }
  // The stream ends quietly with its signal; a part of the results is not all of them.
  throwIfCancelled(signal);
}

function decodeResult(data: Uint8Array): RolloutResult | undefined {
  try {
    return decodeMessage(RolloutResultSchema, data);
  } catch {
    return undefined;
  }
}

/** As `storedResults`. Throws TerminalError('not_found') when there is none. */
export async function* readResults(
  nats: Nats,
  runId: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<RolloutResult, void, undefined> {
  let found = false;
  try {
    for await (const result of storedResults(nats, runId, signal)) {
      found = true;
      yield result;
    }
  } catch (thrown) {
    if (errorFrom(thrown).code !== 'not_found') throw thrown;
  }
  if (found) return;
  const who = runId === undefined ? 'no run has left a rollout' : `there is no rollout of a run ${runId}`;
  throw new TerminalError('not_found', `${who} here; 'gradus status' lists the runs`);
}

/** The result of the task whose id begins with `prefix`, which must be unambiguous: of several the one that its run counted, else the newest. */
export async function findResult(
  nats: Nats,
  prefix: string,
  runId: string | undefined,
  signal: AbortSignal,
): Promise<RolloutResult> {
  const found = new Map<string, RolloutResult[]>();
  for await (const result of readResults(nats, runId, signal)) {
    if (result.taskId.startsWith(prefix)) found.set(result.taskId, [...(found.get(result.taskId) ?? []), result]);
  }
  const [only, ...others] = found.values();
  const newest = only?.at(-1);
  if (only === undefined || newest === undefined) {
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
  if (only.length === 1) return newest;
  const counted = createCountedRollouts(nats, signal);
  for (const result of only) if ((await counted(result)).reward.kind === 'reward') return result;
  return newest;
}

/** The newest rollout of a run that left a trajectory. */
export async function lastRollout(nats: Nats, runId: string, signal: AbortSignal): Promise<RolloutResult> {
  let last: RolloutResult | undefined;
  for await (const result of readResults(nats, runId, signal)) if (result.trajectorySequence !== 0n) last = result;
  if (last === undefined) throw new TerminalError('not_found', `run ${runId} has no finished rollout`);
  return last;
}

/**
 * The encoded trajectory of a rollout; undefined when it is not there. A stream that was deleted and made again counts from 1: what lies
 * at the rollout's sequence now may be another rollout, and is not taken for this one.
 */
export async function findTrajectory(
  nats: Nats,
  runId: string,
  { taskId, trajectorySequence }: Pick<RolloutResult, 'taskId' | 'trajectorySequence'>,
  options: Pick<GetOptions, 'signal' | 'timeoutMs'> = {},
): Promise<Uint8Array | undefined> {
  // No stream counts further, and no request carries more digits.
  if (trajectorySequence <= 0n || trajectorySequence > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  const messageIdPrefix = `${runId}:${taskId}:`;
  return await orUndefined(
    getMessage(nats, streams.trajectories, Number(trajectorySequence), { ...options, messageIdPrefix }),
  );
}

/** Throws TerminalError('not_found') when the rollout left none, or it is gone. */
export async function readTrajectory(nats: Nats, result: RolloutResult, signal?: AbortSignal): Promise<Trajectory> {
  const { runId, taskId, trajectorySequence, failureDetail } = result;
  if (trajectorySequence === 0n)
    throw new TerminalError(
      'not_found',
      `rollout ${taskId} left no trajectory: ${failureDetail || 'infrastructure failed'}`,
    );
  const data = await findTrajectory(nats, runId, result, signal === undefined ? {} : { signal });
  if (data === undefined)
    throw new TerminalError(
      'not_found',
      `the trajectory of rollout ${taskId} is no longer on the stream: its size limit dropped the oldest; take a younger rollout`,
    );
  return await decodeTrajectory(data);
}

async function orUndefined<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (thrown) {
    if (errorFrom(thrown).code === 'not_found') return undefined;
    throw thrown;
  }
}
