import { toBinary } from '@bufbuild/protobuf';
import { createEnvironmentRegistry } from '#environments/registry.ts';
import type { EnvironmentClients } from '#environments/kit/clients.ts';
import type { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import type { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { RolloutTaskSchema, type RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import type { Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { GrpcClient } from '#platform/grpc/client.ts';
import { parseTask } from '../episode/parse-task.ts';
import { finishedResult, trajectoryOf } from '../episode/rollout-result.ts';
import { runRollout } from '../episode/run-rollout.ts';
import { createTokenSource } from '../episode/token-source.ts';
import { createScoreBatcher } from '../scoring/score-batcher.ts';

export interface ReplayServices {
  readonly policy: Pick<GrpcClient<typeof PolicyService>, 'generate' | 'tokenize'>;
  readonly environment: EnvironmentClients;
  readonly reward: Pick<GrpcClient<typeof RewardService>, 'score'>;
}

/** The same episode as a worker plays it, by the same code. Publishes nothing. Throws what `runRollout` throws. */
export async function replayTask(
  task: RolloutTask,
  { policy, environment: clients, reward }: ReplayServices,
  signal: AbortSignal,
): Promise<{ readonly trajectory: Trajectory; readonly result: RolloutResult }> {
  const startedMs = performance.now();
  // Anyone who asks for a replay has chosen the weights; they may be older than those the task wanted.
  const parsed = parseTask({ ...task, policyVersion: 0n });
  await using environments = createEnvironmentRegistry(clients);
  using lease = await environments.acquire(task.environment, parsed.environmentOptions);
  const finished = await runRollout(
    parsed,
    lease,
    {
      generate: policy.generate,
      tokens: createTokenSource(policy.tokenize, { maxBytes: 0 }),
      scores: createScoreBatcher((items, options) => reward.score({ items }, options), { maxItems: 1, maxWaitMs: 0 }),
      retries: { retries: 4, baseDelayMs: 100 },
      waits: { begin: () => ({ [Symbol.dispose]() {} }) },
      events: {
        turnEnded() {},
        turnAbandoned() {},
        environmentStepped() {},
        toolEnded() {},
        callRetried() {},
        tokensDiffer() {},
      },
    },
    signal,
  );
  return {
    trajectory: trajectoryOf(task, toBinary(RolloutTaskSchema, task), finished),
    result: finishedResult(task, finished, 0, {
      workerId: 'replay',
      durationMs: Math.round(performance.now() - startedMs),
    }),
  };
}
