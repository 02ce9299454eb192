import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { useProxyOf } from '#platform/http/outside-proxy.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import type { RewardConfig } from './config.ts';
import { startCustomScorers } from './custom/custom-scorers.ts';
import { createRewardEvents } from './events.ts';
import { createGroupEvents } from './groups/group-events.ts';
import { describe } from './handlers/describe.ts';
import { explain } from './handlers/explain.ts';
import { scoreGroup } from './handlers/score-group.ts';
import { score } from './handlers/score.ts';
import { createJudges } from './judge/judges.ts';

/** `environment` is where the keys of judges and scorers are, and what custom scorers get a part of. */
export async function startReward(
  config: RewardConfig,
  ctx: ServiceContext,
  environment: NodeJS.ProcessEnv = {},
): Promise<{ grpc: string }> {
  const proxy = useProxyOf(environment);
  ctx.defer('proxy', async () => proxy.restore());
  if (proxy.variables.length > 0)
    ctx.log.info({ variables: proxy.variables }, 'calls to other hosts go through a proxy');
  const events = createRewardEvents(ctx.metrics);
  const groupEvents = createGroupEvents(ctx.metrics);
  const judges = createJudges(config.judges, ctx, environment);
  ctx.defer('judges', async () => judges.close());
  const custom = await startCustomScorers(config, ctx, environment);
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics, security: ctx.security });
  ctx.defer('gRPC server', () => server.drain(config.drainMs));
  server.add(RewardService, {
    score: (request, { signal }) => score({ events, judges, custom }, request, signal),
    scoreGroup: (request, { signal }) => scoreGroup({ events: groupEvents, judges }, request, signal),
    explain: async (request) => explain(request),
    describe: (request, { signal }) => describe(judges, custom, request, signal),
  });
  return { grpc: await server.listen(config.grpc) };
}
