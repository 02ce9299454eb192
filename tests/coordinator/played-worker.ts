/** A worker that plays no rollout: the test says what comes of each task. */
import { create } from '@bufbuild/protobuf';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { Purpose, RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { decodeMessage, pullTasks } from '#platform/nats/messages.ts';
import type { TaskMessage } from '#platform/nats/messages.ts';
import { publishBytes, publishMessage } from '#platform/nats/publish.ts';
import { subjects } from '#platform/nats/streams.ts';

/** What the played worker does with a task. */
export interface Play {
  /** Copies of the result to publish; 0 swallows the task. Default 1. */
  readonly copies?: number;
  /** Fields of the result that differ from a plain success. */
  readonly result?: Partial<
    Pick<
      RolloutResult,
      | 'failure'
      | 'components'
      | 'modelTokens'
      | 'truncated'
      | 'versions'
      | 'prediction'
      | 'detectors'
      | 'trajectorySequence'
    >
  > & {
    /** Its exact match and F1, which are its reward in most recipes; undefined: it has no components. Default 1. */
    readonly reward?: number | undefined;
  };
  /** Of its trajectory; by default no real one. */
  readonly payload?: Uint8Array;
  /** Take the task and go on holding it; `handBack` gives it to the next worker. */
  readonly keep?: boolean;
  /** Hold the result back until this many others were published, or none comes any more: late and reordered. */
  readonly delay?: number;
}

export type Worker = (task: RolloutTask, version: number) => Play;

/** A reward in 0..1 that depends on the task id alone, so that a rerun gives the same. */
export function rewardOf(task: RolloutTask): number {
  return Number.parseInt(task.taskId.slice(0, 8), 16) % 2;
}

export const isTraining = (task: RolloutTask): boolean => task.purpose === Purpose.TRAIN;

export interface PlayedWorkerOptions {
  /** Takes in every task that comes, in order. */
  readonly seen: RolloutTask[];
  readonly worker: Worker;
  /** Of the policy, and so of what is generated now. */
  readonly currentVersion: () => number;
}

/** Takes tasks from the queue and publishes what `worker` says of them, until it is stopped. */
export function playWorker(nats: Nats, { seen, worker, currentVersion }: PlayedWorkerOptions) {
  const playing = new AbortController();
  const kept: TaskMessage[] = [];
  const held: { countdown: number; publish: () => Promise<void> }[] = [];
  let idle: NodeJS.Timeout | undefined;
  const release = async (due: (entry: (typeof held)[number]) => boolean) => {
    const late = held.filter(due);
    for (const entry of late) held.splice(held.indexOf(entry), 1);
    for (const entry of late) await entry.publish();
  };
  const ended = (async () => {
    for await (const message of pullTasks(nats, { signal: playing.signal, maxInFlight: 64 })) {
      const task = decodeMessage(RolloutTaskSchema, message.data);
      seen.push(task);
      const play = worker(task, currentVersion());
      if (play.keep === true) {
        kept.push(message);
        continue;
      }
      const publish = () => publishResult(nats, task, play, currentVersion());
      if ((play.delay ?? 0) > 0) held.push({ countdown: play.delay ?? 0, publish });
      else await publish();
      await message.ack();
      for (const late of held) late.countdown -= 1;
      await release((entry) => entry.countdown <= 0);
      clearTimeout(idle);
      idle = setTimeout(() => void release(() => true), 30);
    }
  })().catch((error: unknown) => {
    if (!playing.signal.aborted) throw error;
  });
  return {
    async handBack() {
      for (const message of kept.splice(0)) await message.nak(0);
    },
    async stop() {
      playing.abort();
      await ended;
    },
  };
}

async function publishResult(nats: Nats, task: RolloutTask, play: Play, version: number): Promise<void> {
  const id = `${task.runId}:${task.taskId}:${task.attempt}`;
  const payload = play.payload ?? Buffer.from(`tokens of ${task.taskId}`);
  const { sequence } = await publishBytes(
    nats,
    subjects.trajectory(task.runId),
    payload,
    { messageId: `${id}:t` },
    'a trajectory',
  );
  const { reward = 1, ...fields } = play.result ?? {};
  const isScored = play.result === undefined || !('reward' in play.result) || play.result.reward !== undefined;
  for (let copy = 0; copy < (play.copies ?? 1); copy++) {
    const result = create(RolloutResultSchema, {
      runId: task.runId,
      taskId: task.taskId,
      groupId: task.groupId,
      sampleIndex: task.sampleIndex,
      stage: task.stage,
      purpose: task.purpose,
      attempt: task.attempt,
      components: isScored ? { exact_match: reward, f1: reward, tool_success: 1, format: 1, xml: 1 } : {},
      prediction: 'an answer',
      turns: 2,
      toolCalls: 1,
      promptTokens: 10,
      modelTokens: 20,
      environmentTokens: 30,
      trajectorySequence: BigInt(sequence),
      versions: { first: BigInt(version), last: BigInt(version) },
      durationMs: 5,
      ...fields,
    });
    // Another message id for every copy: the server's own window must not be what keeps the count right.
    await publishMessage(nats, subjects.result(task.runId), RolloutResultSchema, result, {
      messageId: `${id}:r:${copy}`,
    });
  }
}
