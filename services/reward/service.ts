import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { createGrpcServer } from '#shared/grpc/server.ts';
import type { ServiceContext } from '#shared/runtime/run-service.ts';
import type { RewardConfig } from './config.ts';
import { createRewardEvents } from './events.ts';
import { describe } from './handlers/describe.ts';
import { score } from './handlers/score.ts';

export async function startReward(config: RewardConfig, ctx: ServiceContext): Promise<{ grpc: string }> {
  const events = createRewardEvents(ctx.metrics);
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics });
  ctx.defer('gRPC server', () => server.drain(config.drainMs));
  server.add(RewardService, {
    score: async (request) => score(events, request),
    describe: async () => describe(),
  });
  return { grpc: await server.listen(config.grpc) };
}
