import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { createLifecycle } from '#platform/runtime/lifecycle.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { createLogger, type Logger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { rewardConfig } from './config.ts';
import { startReward } from './service.ts';

const silent = createLogger({ service: 'reward', level: 'silent' });

interface UnderTest {
  readonly scorers?: Readonly<Record<string, object>>;
  readonly environment?: NodeJS.ProcessEnv;
  readonly log?: Logger;
}

/** The service over gRPC with these judges and custom scorers, as its config would give them. */
export async function startRewardUnderTest(
  judges: Readonly<Record<string, object>>,
  { scorers = {}, environment = process.env, log = silent }: UnderTest = {},
) {
  const lifecycle = createLifecycle(log);
  const metrics = createMetrics();
  const env = { GRADUS_JUDGES: JSON.stringify(judges), GRADUS_SCORERS: JSON.stringify(scorers) };
  const context: ServiceContext = {
    name: 'reward',
    log,
    metrics,
    signal: lifecycle.signal,
    defer: (what, dispose) => lifecycle.defer(what, dispose),
    fail: (error) => lifecycle.fail(error),
  };
  const { grpc } = await startReward(loadConfig(rewardConfig, { env }), context, environment).catch(
    async (error: unknown) => {
      lifecycle.stop('it did not start');
      await lifecycle.drain(5_000);
      throw error;
    },
  );
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
