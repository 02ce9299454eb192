import { fromJson } from '@bufbuild/protobuf';
import { z } from 'zod';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { credentialFlags } from '#fleet/credentials-directory.ts';
import { flags } from '#fleet/planned-service.ts';
import { askProgram } from '../process/ask-program.ts';

export interface PlayOptions {
  /** The recorded gradus.rollout.v1.RolloutTask. */
  readonly task: Uint8Array;
  readonly policy: string;
  readonly retrieval?: string;
  readonly reward: string;
  /** Absolute: a directory of certificates; absent where the services have none. */
  readonly credentials?: string | undefined;
  /** The file of an environment of the user's own, and what it may take. */
  readonly environmentFlags?: Readonly<Record<string, string>>;
  /** Longer than the rollout's own deadline. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface PlayedRollout {
  readonly trajectory: Trajectory;
  readonly result: RolloutResult;
}

/** Runs the workers' own code for one task, in a process of its own that cannot publish. */
export async function playAgain(options: PlayOptions): Promise<PlayedRollout> {
  const { policy, retrieval, reward, credentials, environmentFlags, signal, task, timeoutMs } = options;
  const answer = await askProgram({
    entry: 'services/rollout/replay/main.ts',
    args: [
      ...flags({
        policy,
        ...(retrieval !== undefined && { retrieval }),
        reward,
        ...environmentFlags,
      }),
      ...credentialFlags(credentials, 'rollout'),
    ],
    input: task,
    answer: z.object({ trajectory: z.json(), result: z.json() }),
    timeoutMs,
    failure: 'the rollout could not be played again',
    signal,
  });
  return {
    trajectory: fromJson(TrajectorySchema, answer.trajectory),
    result: fromJson(RolloutResultSchema, answer.result),
  };
}
