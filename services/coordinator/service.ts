import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { LearnerService } from '#proto/learner/v1/learner_service_pb.ts';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { createGrpcClient } from '#shared/grpc/client.ts';
import { createGrpcServer } from '#shared/grpc/server.ts';
import { connectNats } from '#shared/nats/connect.ts';
import { ensureStreams } from '#shared/nats/streams.ts';
import type { ServiceContext } from '#shared/runtime/run-service.ts';
import type { CoordinatorConfig } from './config.ts';
import { createCoordinatorEvents } from './events.ts';
import { stopRun } from './handlers/stop-run.ts';
import { watchRun } from './handlers/watch-run.ts';
import { createRunRegistry } from './runs/run-registry.ts';

export async function startCoordinator(config: CoordinatorConfig, ctx: ServiceContext): Promise<{ grpc: string }> {
  const nats = await connectNats({
    url: config.natsUrl,
    name: 'gradus-coordinator',
    log: ctx.log,
    signal: ctx.signal,
    metrics: ctx.metrics,
  });
  ctx.defer('NATS', () => nats.close());
  await ensureStreams(nats);
  const policy = createGrpcClient(PolicyService, config.policy, { timeoutMs: config.loadTimeoutMs });
  ctx.defer('policy client', () => policy.close());
  const learner = createGrpcClient(LearnerService, config.learner, { timeoutMs: config.trainTimeoutMs });
  ctx.defer('learner client', () => learner.close());

  const registry = createRunRegistry({
    config,
    nats,
    policy,
    learner,
    events: createCoordinatorEvents(ctx.metrics),
    log: ctx.log,
  });
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics });
  // In reverse: runs are stopped and their ends written, watchers see that, then calls and connections end.
  ctx.defer('gRPC server', () => server.drain(config.drainMs));
  ctx.defer('runs', () => registry.stopAll());
  server.add(CoordinatorService, {
    submitRun: async (request, call) => ({ runId: await registry.submit(request, call.signal) }),
    getRun: (request, call) => registry.status(request.runId, call.signal),
    listRuns: async (_request, call) => ({ runs: await registry.list(call.signal) }),
    watchRun: (request, call) => watchRun(registry, request.runId, call.signal),
    stopRun: (request, call) => stopRun(registry, request, call.signal),
  });
  return { grpc: await server.listen(config.grpc) };
}
