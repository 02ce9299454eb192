import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { createGrpcClient } from '#shared/grpc/client.ts';
import { loadConfig } from '#shared/runtime/config.ts';
import { createLifecycle } from '#shared/runtime/lifecycle.ts';
import { createLogger } from '#shared/telemetry/logging.ts';
import { createMetrics } from '#shared/telemetry/metrics.ts';
import { rewardConfig } from './config.ts';
import { startReward } from './service.ts';

const log = createLogger({ service: 'reward', level: 'silent' });

/** The service over gRPC with these judges, as its config would give them. */
export async function startRewardUnderTest(judges: Readonly<Record<string, object>>) {
  const lifecycle = createLifecycle(log);
  const metrics = createMetrics();
  const { grpc } = await startReward(loadConfig(rewardConfig, { env: { GRADUS_JUDGES: JSON.stringify(judges) } }), {
    name: 'reward',
    log,
    metrics,
    signal: lifecycle.signal,
    defer: (what, dispose) => lifecycle.defer(what, dispose),
    fail: (error) => lifecycle.fail(error),
  });
  const reward = createGrpcClient(RewardService, grpc, { timeoutMs: 60_000 });
  lifecycle.serving();
  return {
    reward,
    metrics,
    async [Symbol.asyncDispose]() {
      reward.close();
      lifecycle.stop('the test is over');
      await lifecycle.drain(5_000);
    },
  };
}
