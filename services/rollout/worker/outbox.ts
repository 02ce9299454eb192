import { type RolloutResult, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import type { Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { getMessage } from '#platform/nats/messages.ts';
import { publishBytes, publishMessage } from '#platform/nats/publish.ts';
import { streams, subjects } from '#platform/nats/streams.ts';
import { decodeTrajectory, encodeTrajectory } from '#trajectory/encode-trajectory.ts';
import { createByteGate } from './byte-gate.ts';
import { digestsEqual } from '#trajectory/sequence-digest.ts';
import { type RolloutWaits, overdueAfter } from '../episode/episode-ports.ts';

export interface OutboxOptions {
  /** Longest time of one publication, NATS being unavailable included, in milliseconds. */
  readonly timeoutMs: number;
  /** Encoded trajectories that are being stored at a time, in bytes; further ones wait. One alone may be larger. */
  readonly maxBytes: number;
}

/** What a worker publishes. Every message has an id that a redelivered task produces again, so the server drops the second copy. */
export interface Outbox {
  /** Gives the sequence number in TRAJECTORIES of a message with exactly these tokens. */
  trajectory(task: RolloutTask, redeliveries: number, trajectory: Trajectory, signal: AbortSignal): Promise<number>;
  /** `retry` names a task that was asked again by hand: its result is not hidden by the one it had before. */
  result(result: RolloutResult, retry: string, signal: AbortSignal): Promise<{ readonly duplicate: boolean }>;
}

export function createOutbox(nats: Nats, { timeoutMs, maxBytes }: OutboxOptions): Outbox {
  const gate = createByteGate(maxBytes);
  return {
    async trajectory(task, redeliveries, trajectory, signal) {
      const data = await encodeTrajectory(trajectory);
      const room = await gate.enter(data.length);
      using stored = new DisposableStack();
      stored.use(room);
      const messageId = `${task.runId}:${task.taskId}:${task.attempt}:t`;
      const subject = subjects.trajectory(task.runId);
      const first = await publishBytes(nats, subject, data, { messageId, signal, timeoutMs }, 'a trajectory');
      if (!first.duplicate) return first.sequence;
      // An earlier delivery of this task published before it died. Its tokens may differ from ours (other weights), and then
      // the reward computed here belongs to ours only.
      const earlier = await decodeTrajectory(await getMessage(nats, streams.trajectories, first.sequence)).catch(
        () => undefined,
      );
      if (earlier !== undefined && digestsEqual(earlier.sequenceDigest, trajectory.sequenceDigest))
        return first.sequence;
      const second = await publishBytes(
        nats,
        subject,
        data,
        { messageId: `${messageId}:${redeliveries}`, signal, timeoutMs },
        'a trajectory',
      );
      return second.sequence;
    },
    async result(result, retry, signal) {
      const messageId = `${result.runId}:${result.taskId}:${result.attempt}:r${retry === '' ? '' : `:${retry}`}`;
      return await publishMessage(nats, subjects.result(result.runId), RolloutResultSchema, result, {
        messageId,
        signal,
        timeoutMs,
      });
    },
  };
}

/** An outbox whose publications the watchdog knows. `timeoutMs` is that of one publication. */
export function watchedOutbox(outbox: Outbox, waits: RolloutWaits, timeoutMs: number): Outbox {
  const expectedMs = overdueAfter(timeoutMs);
  return {
    trajectory(task, ...rest) {
      const watched = waits.begin({ what: 'publish.trajectory', subject: task.taskId, expectedMs });
      return outbox.trajectory(task, ...rest).finally(() => watched[Symbol.dispose]());
    },
    result(result, ...rest) {
      const watched = waits.begin({ what: 'publish.result', subject: result.taskId, expectedMs });
      return outbox.result(result, ...rest).finally(() => watched[Symbol.dispose]());
    },
  };
}
