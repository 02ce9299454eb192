import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { createGrpcClient } from '#shared/grpc/client.ts';
import { createGrpcServer } from '#shared/grpc/server.ts';
import { connectNats } from '#shared/nats/connect.ts';
import { ensureStreams } from '#shared/nats/streams.ts';
import type { ServiceContext } from '#shared/runtime/run-service.ts';
import type { RolloutConfig } from './config.ts';
import { createSearchEnvironment } from './environments/search/search-environment.ts';
import { createRetrievalTools } from './environments/search/retrieval-tools.ts';
import { createTokenSource } from './episode/token-source.ts';
import { createRolloutEvents } from './events.ts';
import { handleRolloutTask, reportExhaustedTask, type RolloutTaskContext } from './handlers/rollout-task.ts';
import { createScoreBatcher } from './scoring/score-batcher.ts';
import { createEnvironmentRegistry } from './worker/environment-registry.ts';
import { createOutbox } from './worker/outbox.ts';
import { startWorker } from './worker/run-worker.ts';

const BYTES_PER_MEBIBYTE = 1024 * 1024;

export async function startRollout(
  config: RolloutConfig,
  ctx: ServiceContext,
): Promise<Readonly<Record<string, string>>> {
  const { callTimeoutMs: timeoutMs } = config;
  const policy = createGrpcClient(PolicyService, config.policy, { timeoutMs });
  const retrieval = createGrpcClient(RetrievalService, config.retrieval, { timeoutMs });
  const reward = createGrpcClient(RewardService, config.reward, { timeoutMs });
  ctx.defer('clients', () => [policy, retrieval, reward].forEach((client) => client.close()));

  const nats = await connectNats({
    url: config.natsUrl,
    name: `rollout ${config.workerId}`,
    log: ctx.log,
    metrics: ctx.metrics,
    signal: ctx.signal,
  });
  ctx.defer('nats', () => nats.close());
  await ensureStreams(nats);

  const events = createRolloutEvents(ctx.log, ctx.metrics);
  const tools = createRetrievalTools(retrieval);
  const context: RolloutTaskContext = {
    workerId: config.workerId,
    maxDeliveries: config.maxDeliveries,
    redeliveryDelayMs: config.redeliveryDelayMs,
    environments: createEnvironmentRegistry({ search: (options) => createSearchEnvironment(options, tools) }),
    outbox: createOutbox(nats, { timeoutMs: config.publishTimeoutMs }),
    events,
    ports: {
      generate: policy.generate,
      tokens: createTokenSource(policy.tokenize, { maxBytes: config.tokenCacheMebibytes * BYTES_PER_MEBIBYTE }),
      scores: createScoreBatcher((items) => reward.score({ items }), {
        maxItems: config.scoreBatchItems,
        maxWaitMs: config.scoreBatchWaitMs,
      }),
      retries: { retries: config.retries, baseDelayMs: config.retryDelayMs },
      events,
    },
  };

  // No RPCs of its own: health and reflection, as every service has.
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics });
  const grpc = await server.listen(config.grpc);
  ctx.defer('grpc server', () => server.drain(1_000));

  const worker = startWorker(nats, {
    concurrency: config.concurrency,
    maxDeliveries: config.maxDeliveries,
    heartbeatMs: config.heartbeatMs,
    events,
    handle: (message, signal) => handleRolloutTask(context, message, signal),
    onExhausted: (message) => reportExhaustedTask(context, message),
  });
  worker.pulling.catch((error: unknown) => ctx.fail(error));
  // Four fifths of the drain are the rollouts'; the rest is for the connections.
  ctx.defer('rollouts', () => worker.drain(config.drainMs * 0.8));
  server.setServing(true);
  return { grpc };
}
